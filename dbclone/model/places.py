"""Places that exist, so that city, region, postcode and country of a row agree: large cities, which name no one.

A postcode is one of the city's own area with random digits behind it (``#`` a digit, ``@`` a letter).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """A city, its region and the shape of its postcodes."""

    city: str
    region: str
    postcode: str


@dataclass(frozen=True, kw_only=True)
class Country:
    """A country as addresses have it: its name, its codes of two and three letters, what else it is called."""

    name: str
    code: str
    code3: str
    locale: str
    also: tuple[str, ...]
    places: tuple[Place, ...]


def _country(name: str, codes: str, locale: str, also: str, places: str) -> Country:
    code, code3 = codes.split()
    rows = (line.split("|") for line in places.split("; "))
    return Country(
        name=name,
        code=code,
        code3=code3,
        locale=locale,
        also=tuple(also.split("|")) if also else (),
        places=tuple(Place(city, region, postcode) for city, region, postcode in rows),
    )


COUNTRIES = (
    _country("United States", "US USA", "en_US", "usa|united states of america|u.s.a.|u.s.",
        "New York|New York|100##; Los Angeles|California|900##; Chicago|Illinois|606##; Houston|Texas|770##; "
        "Phoenix|Arizona|850##; Philadelphia|Pennsylvania|191##; Seattle|Washington|981##; Denver|Colorado|802##; "
        "Boston|Massachusetts|021##; Atlanta|Georgia|303##; Miami|Florida|331##; Portland|Oregon|972##"),
    _country("United Kingdom", "GB GBR", "en_GB", "uk|great britain|england|u.k.",
        "London|Greater London|SW# #@@; Manchester|Greater Manchester|M# #@@; Birmingham|West Midlands|B## #@@; "
        "Leeds|West Yorkshire|LS# #@@; Glasgow|Scotland|G# #@@; Bristol|Bristol|BS# #@@; Cardiff|Wales|CF## #@@"),
    _country("Germany", "DE DEU", "de_DE", "deutschland|allemagne|alemania|germania",
        "Berlin|Berlin|10###; Hamburg|Hamburg|20###; München|Bayern|80###; Köln|Nordrhein-Westfalen|50###; "
        "Frankfurt am Main|Hessen|60###; Stuttgart|Baden-Württemberg|70###; Leipzig|Sachsen|04###; "
        "Bremen|Bremen|28###; Hannover|Niedersachsen|30###; Nürnberg|Bayern|90###"),
    _country("Austria", "AT AUT", "de_AT", "österreich|oesterreich|autriche",
        "Wien|Wien|1##0; Graz|Steiermark|801#; Linz|Oberösterreich|402#; Salzburg|Salzburg|502#; Innsbruck|Tirol|602#"),
    _country("Switzerland", "CH CHE", "de_CH", "schweiz|suisse|svizzera",
        "Zürich|Zürich|80##; Bern|Bern|30##; Basel|Basel-Stadt|40##; Luzern|Luzern|60##; Genève|Genève|12##"),
    _country("France", "FR FRA", "fr_FR", "frankreich|francia",
        "Paris|Île-de-France|750##; Lyon|Auvergne-Rhône-Alpes|6900#; Marseille|Provence-Alpes-Côte d'Azur|130##; "
        "Toulouse|Occitanie|31#00; Nantes|Pays de la Loire|44#00; Lille|Hauts-de-France|59#00; "
        "Bordeaux|Nouvelle-Aquitaine|33#00; Strasbourg|Grand Est|67#00"),
    _country("Spain", "ES ESP", "es_ES", "españa|espana|spanien|espagne",
        "Madrid|Comunidad de Madrid|280##; Barcelona|Cataluña|080##; Valencia|Comunidad Valenciana|460##; "
        "Sevilla|Andalucía|410##; Bilbao|País Vasco|480##; Zaragoza|Aragón|500##; Málaga|Andalucía|290##"),
    _country("Italy", "IT ITA", "it_IT", "italia|italien|italie",
        "Roma|Lazio|001##; Milano|Lombardia|201##; Napoli|Campania|801##; Torino|Piemonte|101##; "
        "Bologna|Emilia-Romagna|401##; Firenze|Toscana|501##; Genova|Liguria|161##"),
    _country("Netherlands", "NL NLD", "nl_NL", "nederland|the netherlands|holland|niederlande|pays-bas",
        "Amsterdam|Noord-Holland|10## @@; Rotterdam|Zuid-Holland|30## @@; Utrecht|Utrecht|35## @@; "
        "Eindhoven|Noord-Brabant|56## @@; Groningen|Groningen|97## @@"),
    _country("Portugal", "PT PRT", "pt_PT", "",
        "Lisboa|Lisboa|1###-###; Porto|Porto|4###-###; Coimbra|Coimbra|30##-###; Braga|Braga|47##-###"),
    _country("Brazil", "BR BRA", "pt_BR", "brasil|brasilien|brésil",
        "São Paulo|SP|01###-###; Rio de Janeiro|RJ|20###-###; Belo Horizonte|MG|30###-###; Salvador|BA|40###-###; "
        "Curitiba|PR|80###-###; Recife|PE|50###-###"),
    _country("Poland", "PL POL", "pl_PL", "polska|polen|pologne",
        "Warszawa|Mazowieckie|00-###; Kraków|Małopolskie|30-###; Gdańsk|Pomorskie|80-###; Wrocław|Dolnośląskie|50-###; "
        "Poznań|Wielkopolskie|60-###"),
    _country("Sweden", "SE SWE", "sv_SE", "sverige|schweden|suède",
        "Stockholm|Stockholms län|11# ##; Göteborg|Västra Götaland|41# ##; Malmö|Skåne|21# ##; "
        "Uppsala|Uppsala län|75# ##"),
    _country("Denmark", "DK DNK", "da_DK", "danmark|dänemark|danemark",
        "København|Hovedstaden|1###; Aarhus|Midtjylland|80##; Odense|Syddanmark|50##; Aalborg|Nordjylland|90##"),
    _country("Norway", "NO NOR", "no_NO", "norge|norwegen|norvège",
        "Oslo|Oslo|01##; Bergen|Vestland|50##; Trondheim|Trøndelag|70##; Stavanger|Rogaland|40##"),
    _country("Finland", "FI FIN", "fi_FI", "suomi|finnland|finlande",
        "Helsinki|Uusimaa|001##; Tampere|Pirkanmaa|331##; Turku|Varsinais-Suomi|201##; Oulu|Pohjois-Pohjanmaa|901##"),
    _country("Canada", "CA CAN", "en_CA", "kanada",
        "Toronto|Ontario|M#@ #@#; Montréal|Quebec|H#@ #@#; Vancouver|British Columbia|V#@ #@#; "
        "Calgary|Alberta|T#@ #@#"),
    _country("Australia", "AU AUS", "en_AU", "australien|australie",
        "Sydney|New South Wales|20##; Melbourne|Victoria|30##; Brisbane|Queensland|40##; Perth|Western Australia|60##"),
    _country("Czechia", "CZ CZE", "cs_CZ", "czech republic|česko|tschechien",
        "Praha|Praha|1## 00; Brno|Jihomoravský kraj|6## 00; Ostrava|Moravskoslezský kraj|70# 00"),
    _country("Ireland", "IE IRL", "en_IE", "éire|irland|irlande",
        "Dublin|Dublin|D## @#@#; Cork|Cork|T## @#@#; Galway|Galway|H## @#@#"),
)  # fmt: skip

_BY_NAME = {
    name.lower(): number
    for number, country in enumerate(COUNTRIES)
    for name in (country.name, country.code, country.code3, *country.also)
}
_BY_LOCALE = {country.locale: number for number, country in reversed(list(enumerate(COUNTRIES)))}


def country_number(label: str | None) -> int:
    """Return the position in :data:`COUNTRIES` of a country by any of its names and codes; −1 if it is not there."""
    return -1 if label is None else _BY_NAME.get(label.strip().lower(), -1)


def country_of_locale(locale: str) -> int:
    """Return the position in :data:`COUNTRIES` of a locale's country; that of the United States if it has none."""
    return _BY_LOCALE.get(locale, _BY_LOCALE["en_US"])


def postcode_shapes(locales: Sequence[str], *, everywhere: bool) -> frozenset[str]:
    """Return the shapes, ``#`` a digit and ``@`` a letter, of postcodes in the countries of locales, or in all."""
    numbers = range(len(COUNTRIES)) if everywhere else {country_of_locale(locale) for locale in locales}
    return frozenset(
        re.sub(r"[A-Z]", "@", re.sub(r"\d", "#", place.postcode)) for n in numbers for place in COUNTRIES[n].places
    )
