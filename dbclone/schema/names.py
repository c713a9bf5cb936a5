"""What a column's name says of the person its values may be about, in the languages that schemas are written in.

A name is cut into words (``CustomerEMail2`` → ``_customer_e_mail_2_``, accents removed) and looked up in the table
below, the more specific kind first: an *e-mail address* is no street. Pure.
"""

from __future__ import annotations

import re
import unicodedata

_NEUTRAL = re.compile(
    r"_(status|state|type|typ|kind|format|template|language|locale|preference|verified|valid|enabled|flag|count"
    r"|country|region|style|provider|brand|category|class|level|policy|expires|expiry)_$"
)
"""Last words that make a name one of a property: an ``email_status`` is no e-mail address."""

_NAMES = tuple(
    (what, re.compile(pattern))
    for what, pattern in (
        ("password_hash", r"passw|_pwd_|_pass_(hash_)?$|_kennwort|contrasena|senha_|mot_de_passe|wachtwoord"),
        ("token", r"token|secret|(api|access|private|secret|encryption|ssh)_?key|_otp_|_totp|_pin_(code_)?$|_salt_"
                  r"|credential|_session_(id|key)_|recovery_?code|_cvv_|_cvc_"),
        ("email", r"e_?mail|_mail_|correo|courriel|_epost"),
        ("mac", r"_mac_(addr|$)|macaddr"),
        ("ip", r"_ip_|_ipv?[46]?_|_ip_?addr|remote_addr"),
        ("url", r"_url_|_uri_|website|home_?page|web_?(site|address|page)"),
        ("iban", r"iban"),
        ("account", r"bank_?account|account_?(number|no|num)_|kontonummer|_konto_?nr"),
        ("card", r"(credit|debit|payment)_?card|card_?(number|no|num)_|_cc_?(number|num|no)_|kreditkarte|_pan_"),
        ("national_id", r"_ssn_|social_?security|passport|national_?(id|number)|tax_?(id|number|no)_"
                        r"|_vat_(id|no|number)|_nino_|_dni_|_nif_|_nie_|_cpf_|_cnpj_|steuer_?(nummer|id)|_insee_|_curp_|_rfc_|_bsn_"
                        r"|_nhs_|licen[cs]e_?(plate|number|no)_|_plate_|kennzeichen|_vin_|_ein_|ausweis|matricul"),
        ("birth_date", r"birth|_dob_|geburt|naissance|nacimiento|nascita"),
        ("phone", r"phone|telef|_tel_|_tel_?(no|nr|num|number)_|_mobile|_cell_|_fax|_handy|_movil_|_gsm_"
                  r"|msisdn|whatsapp"),
        ("first_name", r"first_?name|_fname_|given_?name|fore_?name|vorname|prenom|_nombres?_|middle_?(name|initial)"
                       r"|voornaam"),
        ("last_name", r"last_?name|_lname_|surname|family_?name|nachname|familienname|apellido|cognome|achternaam"
                      r"|sobrenome|maiden_?name"),
        ("user_name", r"user_?name|_login_|_login_?(id|name)_|screen_?name|nick_?name|_nick_|_handle_|benutzername"
                      r"|_usuario_"),
        ("name", r"full_?name|contact_?name|display_?name|real_?name|legal_?name|_contact_(person_)?$|_ansprechpartner"
                 r"|(customer|client|person|employee|staff|patient|student|teacher|member|guest|owner|author|agent|user"
                 r"|recipient|sender|holder|beneficiary|manager|driver|doctor|reviewer|buyer|seller|subscriber|visitor|parent|spouse|player|ship|billing|kunden?)_?name_"
                 r"|card_?holder|_(created|updated|modified|changed|approved|assigned|reviewed|signed)_(by|to)_"
                 r"|_attn_|_author_|_owner_|_beneficiary_"),
        ("street", r"address|_addr_?\d*_|street|strasse|_str_|_rue_|_calle_|direccion|adresse|indirizzo|endereco"
                   r"|_adres_|_addr(ess)?_?line"),
        ("city", r"_city_|_city_?name_|_town_|_stadt_|_ort_|_ville_|ciudad|_citta_|_cidade_|municipality|_gemeinde_"),
        ("postcode", r"_zip_|_zip_?code|post_?code|postal|_plz_|postleitzahl|_cep_"),
        ("company", r"company|_firma_|organi[sz]ation_(name_)?$|employer|_empresa_|_societe_|_azienda_"
                    r"|supplier_?name|vendor_?name"),
    )
)  # fmt: skip


def words(name: str) -> str:
    """Return a name's words in lower case, without accents, each between underscores: ``HomeTel`` → ``_home_tel_``."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return "_" + re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_") + "_"


def personal_name(name: str) -> str | None:
    """Return the kind of personal value or secret that a name promises; None if it promises none.

    ``kunden_vorname`` → ``first_name``, ``email_status`` → None.
    """
    text = words(name)
    if _NEUTRAL.search(text):
        return None
    return next((what for what, pattern in _NAMES if pattern.search(text)), None)
