"""What a column's name says of the person its values may be about, in the languages that schemas are written in.

A name is cut into words (``CustomerEMail2`` → ``_customer_e_mail_2_``, accents removed) and looked up in the table
below, the more specific kind first: an *e-mail address* is no street. Pure.
"""

from __future__ import annotations

import re
import unicodedata

_NEUTRAL = re.compile(
    r"_(status|state|type|typ|tipo|kind|format|template|language|locale|preference|verified|valid|enabled|flag|count"
    r"|style|provider|brand|category|class|level|policy|expires|expiry|expires_at|verified_at|sent_at|confirmed"
    r"|confirmed_at|attempts|length|opt_?in|subscribed|score|version|position|priority|method|channel|issuer|scheme"
    r"|anzahl|statut|estado|stato|rotated_at|changed_at|updated_at|created_at|reset_at|checked_at|count_total)_$"
    r"|^_(is|has|num|total|allow|accepts?|needs?|can|use|require)_"
)
"""Words that make a name one of a property: an ``email_status`` is no e-mail address."""

_PERSON = (
    r"customer|client|person|employee|staff|patient|student|pupil|teacher|member|guest|owner|author|agent|user|recipient"
    r"|sender|holder|beneficiary|manager|driver|doctor|physician|reviewer|buyer|seller|subscriber|visitor|parent|spouse"
    r"|player|ship|billing|kunden?|mitarbeiter|patienten|benutzer|nutzer|cliente|empleado|usuario|paciente|alumno|client"
    r"|salarie|employe|dipendente|utente|paziente|medewerker|klant|kund|anvandar|medarbejder|asiakas|pracownik|klient"
    r"|tenant|insured|applicant|candidate|donor|voter|passenger|traveller|traveler|lawyer|nurse|signer|signatory|payer|payee"
    r"|emergency_contact|next_of_kin|account_holder|supervisor|operator|technician|rep|sales_?rep|contributor|speaker"
)

_ROLES = (
    r"owner|author|recipient|sender|holder|beneficiary|manager|driver|doctor|physician|reviewer|buyer|seller|subscriber"
    r"|visitor|spouse|supervisor|technician|signer|signatory|payer|payee|applicant|passenger|insured|next_of_kin"
    r"|(?<!_user_)agent"
)
"""Roles that are a name when they stand alone: the column ``owner`` names somebody, ``customer`` may be a number."""


def _plain(text: str) -> str:
    """Return text without accents."""
    text = unicodedata.normalize("NFKD", text.translate(_FOLDED))
    return "".join(c for c in text if not unicodedata.combining(c))


_FOLDED = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ı": "i", "æ": "ae"})

_NAMES = tuple(
    (what, re.compile(_plain(pattern)))
    for what, pattern in (
        ("password_hash", r"passw|_pwd_|_pass_(hash_)?$|_kennwort|contrasena|_senha_|mot_de_passe|motdepasse"
                          r"|wachtwoord|losenord|adgangskode|salasana|_haslo_|_heslo_|_jelszo_|_sifre_|_parola_"
                          r"|_parole_|passphrase|_pw_?hash_|^_clave_$|clave_(de_)?acceso|encrypted_pass|пароль|密码"
                          r"|パスワード"),
        ("token", r"token|secret|(api|access|private|secret|encryption|ssh|signing|license|licence|master"
                  r"|consumer)_?key|_otp_|_totp|_mfa_|_2fa_|_pin_(code_)?$|_pin_?code_|_salt_|credential"
                  r"|_session_(id|key)_|_sid_|recovery_?code|backup_?code|_cvv\d?_|_cvc\d?_|_nonce_"
                  r"|security_?(answer|question)|webhook_?key|_geheim|_schluessel_|_bearer_|_jwt_|_cookie_"
                  r"|signature_?key|_auth_?(code|key)_|invite_?code|verification_?code|reset_?code|activation_?code"
                  r"|_hmac_"),
        ("email", r"e_?mail|_mail_|_mailadresse_|correo|courriel|_epost|sahkoposti|_eposta_|posta_elettronica"
                  r"|_poczta_|_mel_|почт|メール|邮箱|_email"),
        ("mac", r"_mac_(addr|$)|macaddr|hardware_?addr|_bssid_|_hwaddr_|_mac_?id_"),
        ("ip", r"_ip_|_ipv?[46]?_|_ip_?addr|remote_?addr|_client_?ip|_ipaddress|_peer_?addr|last_?ip_|_host_?addr_"),
        ("url", r"_url_|_uri_|website|home_?page|web_?(site|address|page|seite)|_link_|_href_|_avatar_"
                r"|profile_?(image|pic)|_sito_|_permalink_|_photo_(path|file)_"),
        ("coordinates", r"_lat_|_latitude_|_lon_|_lng_|_long_$|_longitude_|_coord|_geo_?(loc|point|position|pos)"
                        r"|_gps_|_latlng_|_breitengrad_|_laengengrad_|_langengrad_|_latitud_|_longitud_|geolocation"
                        r"|_lat_?lon"),
        ("iban", r"iban"),
        ("account", r"bank_?(account|acct)|(account|acct)_?(number|no|num|nr)_|kontonummer|_konto_?(nr)?_"
                    r"|numero_?de_?cuenta|_cuenta_(bancaria_)?$|numero_?compte|_rekening|routing_?(number|no)"
                    r"|sort_?code|_bic_|_swift_|_blz_|_rib_|_clabe_|_conto_corrente_|_bsb_|_rachunek|_nr_konta_"
                    r"|_depot_?nr_"),
        ("card", r"(credit|debit|payment|bank)_?card(_?(number|no|num|nr))?_|card_?(number|no|num|nr)_|_cc_?(number"
                 r"|num|no)?_$|kreditkarte|_pan_(number_)?$|tarjeta|carte_?(bancaire|credit|bleue)|carta_di_credito"
                 r"|_cartao_|numero_carta|_kortnummer_|_creditcard"),
        ("vin", r"_vin_|_vin_?(no|nr|number|code)_|chassis_?(no|nr|number)|fahrgestell|_fin_|vehicle_identification"
                r"|numero_chasis|_bastidor_|_telaio_"),
        ("licence_plate", r"licen[cs]e_?plate|_plates?_|(number|registration|vehicle|reg)_?plate|kennzeichen"
                          r"|matricula|immatriculation|_targa_|_kenteken_|_regnr_|vehicle_?reg(istration)?_"
                          r"|plate_?(number|no)|_plaque_|_placa_|_nummerplade_|_rejestracyjny_"),
        ("national_id", r"_ssn_|social_?(security|insurance)|passport|national_?(id|number|no)|tax_?(id|number|no"
                        r"|code)_|_tin_|_vat_?(id|no|number)|_nino_|_dni_|_nif_|_nie_|_cpf_|_cnpj_|steuer_?(nummer"
                        r"|id|nr)|_insee_|_curp_|_rfc_|_bsn_|_nhs_|_ein_|ausweis|matricul|_pesel_|_regon_|_nip_"
                        r"|codice_?fiscale|_cf_|personnummer|_personnr_|_cpr_|_hetu_|henkilotunnus|fodselsnummer"
                        r"|_rodne|_aadhaar|_aadhar|_sin_|_tfn_|_medicare|numero_?secu|securite_sociale|_nir_"
                        r"|sozialversicherung|_svnr_|versicherten|krankenkassen_?nr|versicherungs_?n"
                        r"|drivers?_?licen[cs]e|driving_?licen[cs]e|fuhrerschein|fuehrerschein|_cedula_|_rut_|_bvn_"
                        r"|_id_?(card|document)_|identity_?(card|number|no|document)|licen[cs]e_?(number|no|nr)_"
                        r"|_medical_record|_mrn_|_insurance_?(number|no|id)_|_imei_|_imsi_|_iccid_|_udid_|паспорт"
                        r"|_инн_|身份证|_sozial|_pid_number_|personal_?(id|number|no|code)_"),
        ("birth_date", r"birth|_dob_|geburt|_geb_?datum_|naissance|nacimiento|nascita|nascimento|_geboorte|_fodsel"
                       r"|_fodelse|syntyma|urodzeni|narozeni|szulet|dogum|_nasterii|рожден|生日|誕生|出生|_bday_"),
        ("phone", r"phone|telef|_tel_|_tel_?(no|nr|num|number)_|_tel\d_|_mobile|_mobil_|_mobilnummer|_cell_"
                  r"|_cell_?(no|nr)|_fax|_handy|_movil_|_celular_|_gsm_|msisdn|whatsapp|_puhelin|_matkapuhelin"
                  r"|_telemovel|_portable_|_cellulare_|_rufnummer_|_durchwahl_|_contact_?(no|number|nr)_|телефон|電話"
                  r"|电话|手机|_komorka_|_sms_(to|number)_"),
        ("first_name", r"first_?name|_fname_|given_?name|_forename|fore_?name|vorname|_rufname_|(?<!_nom_)prenom"
                       r"|_nombres?_(?!complet)|middle_?(name|initial)|voornaam|_fornavn|_fornamn|etunimi|_imie_"
                       r"|_jmeno_|keresztnev|_prenume_|_primeiro_nome_|_primer_nombre_|christian_name|_firstname"
                       r"|_имя_|_名_|_first_$|_fn_$|_tussenvoegsel"),
        ("last_name", r"last_?name|_lname_|surname|family_?name|nachname|familienname|_zuname_|apellido|cognome"
                      r"|achternaam|sobrenome|maiden_?name|nom_?(de_?)?famille|_efternavn|_etternavn|_efternamn"
                      r"|sukunimi|nazwisko|prijmeni|vezeteknev|_soyad|_apelido_|_фамилия_|_姓_|second_?surname"
                      r"|geburtsname|_nom_$|_last_$"),
        ("user_name", r"user_?name|_login_?(id|name)?_|screen_?name|nick_?name|_nick_|_handle_|benutzername"
                      r"|benutzerkennung|_usuario_$|gebruikersnaam|anvandarnamn|brugernavn|brukernavn|kayttajatunnus"
                      r"|nazwa_uzytkownika|_uid_$|nom_?d_?utilisateur|nome_?utente|_twitter_|_instagram_|_skype_"
                      r"|_github_|_linkedin_|_telegram_|_slack_(user|id)_|_user_?id_?name_|_gamer_?tag_"
                      r"|_sam_?account|_ldap_|_discord_|_pseudo_$"),
        ("name", r"full_?name|contact_?name|display_?name|real_?name|legal_?name|_contact_(person_)?$"
                 r"|_ansprechpartner"
                 rf"|({_PERSON})_?name_|_({_ROLES})_$"
                 r"|card_?holder|_(created|updated|modified|changed|approved|assigned|reviewed|signed|requested"
                 r"|handled|entered|submitted|closed|prepared|taken|received)_(by|to)_|_attn_|_attention_|_author_"
                 r"|_owner_|_beneficiary_|kontoinhaber|nombre_?completo|nom_?complet|nome_?completo|_bearbeiter_"
                 r"|_sachbearbeiter_|_erstellt_von_|_naam_$|nom_?prenom|vor_und_nachname|volledige_?naam|_фио_|姓名|氏名"
                 r"|titular|responsable|_salesperson_|_sales_?rep|nome_?cognome|fuldt_navn|_meno_|_patron_name"
                 r"|nome_?do_?(cliente|titular)|_sales_?man_|_person_$|(mothers?|fathers?|partner)_?name"
                 r"|emergency_?contact"),
        ("company", r"company|_firma_|_firmenname_|organi[sz]ation_(name_)?$|employer|_empresa_|_societe_|_azienda_"
                    r"|_foretag_|_virksomhed_|_bedrijf|supplier_?name|vendor_?name|_arbeitgeber_|razon_social"
                    r"|raison_sociale|ragione_sociale|_yritys_|merchant_?name|_business_?name|_nazwa_firmy_"
                    r"|_lieferant(en_?name)?_|_ditta_|store_?name|shop_?name|_insurer_|_brand_owner_"),
        ("postcode", r"_zip_|_zip\d_|_zip_?(code|plus)|post_?(code|nr|nummer)_|postal|_plz_|postleitzahl|_cep_"
                     r"|^_cp_$|^_cap_$|code_?postal|codigo_?postal|_postcode|postinumero|_psc_|irsz|iranyitoszam"
                     r"|_kod_pocztowy|индекс|郵便番号|邮编|_pincode_|_eircode_|posta_?kodu|_postnr_|_postnummer_"),
        ("street", r"address|_addr_?\d*_|street|strasse|_str_|_rue_|_calle_|direccion|adresse|indirizzo|endereco"
                   r"|_domicilio_|_adres_|_addr(ess)?_?line|hausnummer|house_?(no|number|nr)_|_voie_|_gade_|_vej_"
                   r"|_gatuadress|_katuosoite|_osoite_|_ulica_|_ulice_|_utca_|_adresa_|_straat_|_huisnummer_|^_via_$"
                   r"|_logradouro_|_adrese?_|адрес|улица|住所|地址|_apartment_|_apt_|_lieferanschrift_|anschrift"
                   r"|_residence_|_suite_|_wohnort_strasse_"),
        ("city", r"_city_|_city_?name_|_town_|_stadt_|_ort_|_wohnort_|_ville_|ciudad|_citta_|_cidade_|municipality"
                 r"|_gemeinde_|_plaats_|_woonplaats_|_stad_|^_by_$|_kaupunki_|_miasto_|_mesto_|_varos_|_sehir_"
                 r"|_oras_|_localidad_|_commune_|_comune_|_localite_|_municipio_|_poststed_|_postort_|_ortsname_"
                 r"|город|市区|都市|_suburb_|_village_|birth_?place|_city\w*_$"),
        ("region", r"_region(_name|_code)?_$|_province_|_provincia_|_bundesland_|_kanton_|_county_|_departement_"
                   r"|_prefecture_|_provincie_|^_lan_$|_fylke_|_wojewodztwo_|_kraj_$|_state_?(province|code|name)_"
                   r"|_us_state_|_regione_|_estado_uf_|_uf_$"),
        ("country", r"_country(_?(code|name|iso\d?))?_$|_land_$|_pais_|_pays_$|_paese_|_kraj_pochodzenia_|_maa_$"
                    r"|_staat_$|nationality|_nationalitat_|staatsangehorigkeit|_nacionalidad_|_nationalite_"
                    r"|citizenship|_ulke_"),
    )
)  # fmt: skip


def words(name: str) -> str:
    """Return a name's words in lower case, without accents, each between underscores: ``HomeTel`` → ``_home_tel_``.

    Letters of other scripts stay as they are: ``ФИО`` → ``_фио_``.
    """
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", _plain(name))
    return "_" + re.sub(r"[\W_]+", "_", plain.lower()).strip("_") + "_"


def personal_name(name: str) -> str | None:
    """Return the kind of personal value or secret that a name promises; None if it promises none.

    ``kunden_vorname`` → ``first_name``, ``email_status`` → None.
    """
    text = words(name)
    if _NEUTRAL.search(text):
        return None
    return next((what for what, pattern in _NAMES if pattern.search(text)), None)
