"""The words that name a value, by what they say it is. Used by `labels` alone; extend it by a word, not by code."""

from typing import Final, Literal

Label = Literal["phone", "card", "iban", "ssn", "id", "birth", "zip", "isbn", "ip", "wallet", "none"]
"""`none` says that a number is something else: an order, a year, a port."""

_WORDS: Final[dict[Label, str]] = {
    "phone": """
        phone phones telephone telefon telefono teléfono telefone téléphone tel tél tlf tfn telf fon fone phonenumber
        mobile mobil móvil movil cell cellphone cellular handy handynummer mobilnummer mobiltelefon telefonnummer rufnummer
        portable celular cellulare celulare whatsapp viber  telegram fax sms   call called calling
        dial   reach  hotline helpline landline msisdn  mob msg callback
        appelez appeler appelle joindre rappeler rappelez anrufen ruf rufen erreichbar erreichen anruf llamar llama llame
        llámame llamame chiamare chiama chiamami ligar ligue telefonisch telefoonnummer  bellen telefoon gsm puhelin
        puhelinnumero soita telefonnr mobilnr  puh sími telefonas telefons telefoni číslo telefonní telefón volejte
        zadzwoń dzwoń komórka numer telefonu zadzwonić kontakttelefon hívjon telefonszám telefonul sunați tелефон телефон
        телефону телефона тел моб мобильный мобильного звоните позвоните позвонить звони номер номеру дзвоніть
        τηλέφωνο τηλ κινητό καλέστε telefonu cep  arayın arayabilirsiniz telefonunuz telpon  hubungi nomor nomer
        telefonnya  điện thoại gọi sđt  هاتف الهاتف جوال الجوال موبايل اتصل الرقم واتساب تلفن موبایل טלפון הטלפון נייד התקשר להתקשר תתקשרו
        numeris numurs numuru número fijo fixo mob telp telf tlm ph msisdn simi símanúmer dẫn liên hệ
        zvaniet zvanīt helista helistage skambinkite skambinti paskambinkite numerem numerze numeru kom telemóvel tālrunis
        telefons telefonas nomer бр обадете дзвоніть nazovite pokličite volajte zavolajte volejte  hringdu simu numéro numero número
    """,
    "card": """
        card cards charge charged billed creditcard cardnumber cc ccn pan visa mastercard amex maestro discover jcb diners unionpay kreditkarte
        kreditkartennummer karte kartennummer carte tarjeta carta cartão cartao credito crédito kort kortnummer kaart
        creditcardnummer karta karty kartę kredit карта карты карту картой картка kartı kart kad kartu thẻ κάρτα
        بطاقة البطاقة כרטיס कार्ड debit
    """,
    "iban": "iban",
    "ssn": "ssn ssns itin socialsecurity socialsecuritynumber",
    "id": """
        nin nino nhs utr dni nie nif cif nuss nir insee sécu secu codice fiscale steuer steuerid steueridentifikationsnummer
        steuernummer idnr ausweis ausweisnummer personalausweis personalausweisnummer  passnummer reisepass reisepassnummer
        passport passports passeport pasaporte passaporto passaporte paszport pasaport pas sozialversicherungsnummer svnr
        versicherungsnummer rentenversicherungsnummer bsn burgerservicenummer rijksregisternummer rijksregister pesel nip regon
        dowód dowodu personnummer personnr fødselsnummer fodselsnummer fnr cpr cprnr henkilötunnus hetu pps ppsn ahv avs
        avsnummer rodné rodne rodného cnp egn егн jmbg oib emšo emso isikukood asmens personas kods amka αμκα afm αφμ
        tckn kimlik tc инн снилс паспорт паспорта паспортные рнокпп іпн ипн cpf cnpj rg cuit cuil rut run curp  cédula
        cedula  nit ruc aadhaar aadhar uidai pan mynumber マイナンバー nric fin mykad  nik ktp ktpnya cccd cmnd
        tfn medicare ird nss    führerschein fuehrerschein führerscheinnummer permis  identidad identité identità identidade identification identificación identificacion
        taxpayer steuerlich national tin vat legitimación matricule personalnummer taj adóazonosító szemeid citizen
        الهوية هوية kitas sss philhealth umid npwp nid cnic nicop hkid bvn iqama
        emirates huduma
    """,
    "birth": "dob birth born birthdate birthday",
    "zip": "zip zipcode postcode postal postleitzahl plz",
    "isbn": "isbn",
    "ip": "ip ipv ips ipaddress",
    "wallet": "wallet btc bitcoin eth ethereum litecoin ltc doge dogecoin xrp ripple tron trx solana sol cardano ada monero xmr",
    "none": """
        order orders invoice ticket timestamp port ports pid uid gid year years version build price prices total totals
        subtotal amount sum cost costs page pages line lines error errors errno code codes status size bytes byte count
        seed epoch sku item items product model serial tracking transaction txn reference ref batch part commit revision
        rev job run task case room euro euros usd eur gbp dollars dollar ms seconds sec minutes hours days km kg meters
        chapter section figure table issue pr merge request requests row rows column offset index length width height
        checksum hash md5 sha score population budget revenue salary issn doi pmid bestellung bestellnummer rechnung
        rechnungsnummer auftrag auftragsnummer kundennummer commande facture pedido factura ordine fattura encomenda
        zamówienie заказ заказа счет сумма цена порт версия код latency duration elapsed memory mem cpu user_id tenant
        zone shard node worker thread process build max min limit threshold timeout ttl interval rate counter sequence seq
        lat lon lng latitude longitude coordinates coordinate pi version release
    """,
}
WORDS: Final[dict[str, Label]] = {word: label for label, words in _WORDS.items() for word in words.split()}

_STEMS: Final[dict[Label, str]] = {
    "phone": """
        telef teleph téléph telp телефон τηλέφων τηλεφων mobil móvil celul cellul handy whatsapp dzwoni zadzwo anruf rückruf
        rueckruf zurückruf festnetz позвон перезвон звонит звоня puhelin komórk erreichb joign rappel appelez llám llamad
        chiamar chiamat hívj számom volejte zavolej volat обад καλέσ arayın ulaşab hubung sunați voicemail nazov zovite
        ringja marque marqu mobieln
    """,
    "id": """
        ausweis passnum reisepass passeport pasaport passapor paszport identifikationsn identifikasi идентификац ідентифікац
        personnum personalnum fødselsn sozialvers rentenvers versicherungsn burgerserv sofinum rijksreg rodné rodne cédul
        cedul dowod henkilöt isikuk паспорт steuernum steuerid steuerident zehut kimlik documento registre aadha
        contribuinte
    """,
    "card": "kreditk kredietk кредитн кредитк creditcar kartenn debitkar debetk kortnum bankkort bankkar",
}
STEMS: Final[dict[str, Label]] = {stem: label for label, stems in _STEMS.items() for stem in stems.split()}
"""Beginnings of words that have many endings."""

PAIRS: Final[dict[tuple[str, str], Label]] = {
    ("social", "security"): "ssn",
    ("social", "sec"): "ssn",
    ("sec", "no"): "ssn",
    ("social", "insurance"): "id",
    ("national", "insurance"): "id",
    ("tax", "id"): "id",
    ("tax", "number"): "id",
    ("id", "number"): "id",
    ("id", "card"): "id",
    ("id", "no"): "id",
    ("id", "nr"): "id",
    ("tax", "file"): "id",
    ("tax", "payer"): "id",
    ("driver", "license"): "id",
    ("drivers", "license"): "id",
    ("driver", "licence"): "id",
    ("driving", "licence"): "id",
    ("driving", "license"): "id",
    ("s", "license"): "id",
    ("s", "licence"): "id",
    ("license", "number"): "id",
    ("licence", "number"): "id",
    ("license", "no"): "id",
    ("licence", "no"): "id",
    ("de", "conducir"): "id",
    ("identity", "card"): "id",
    ("identity", "number"): "id",
    ("identity", "no"): "id",
    ("sécurité", "sociale"): "id",
    ("seguridad", "social"): "id",
    ("personal", "number"): "id",
    ("personal", "code"): "id",
    ("national", "id"): "id",
    ("my", "number"): "phone",
    ("no", "hp"): "phone",
    ("nomor", "hp"): "phone",
    ("bel", "me"): "phone",
    ("call", "me"): "phone",
    ("contact", "me"): "phone",
    ("emergency", "contact"): "phone",
    ("ring", "me"): "phone",
    ("ring", "mig"): "phone",
    ("ring", "til"): "phone",
    ("ring", "meg"): "phone",
    ("text", "me"): "phone",
    ("ідентифікаційний", "код"): "id",
    ("pass", "nr"): "id",
    ("sv", "nr"): "id",
    ("sv", "nummer"): "id",
    ("rv", "nummer"): "id",
    ("perso", "nr"): "id",
    ("sa", "id"): "id",
    ("thai", "id"): "id",
    ("hk", "id"): "id",
    ("n", "ss"): "id",
    ("numeric", "personal"): "id",
    ("soc", "sec"): "ssn",
    ("my", "social"): "ssn",
    ("nå", "meg"): "phone",
    ("når", "mig"): "phone",
    ("nås", "på"): "phone",
    ("træffe", "mig"): "phone",
    ("reach", "me"): "phone",
    ("find", "me"): "phone",
    ("liga", "no"): "phone",
    ("my", "cell"): "phone",
    ("ic", "no"): "id",
    ("ic", "number"): "id",
    ("his", "number"): "phone",
    ("her", "number"): "phone",
    ("your", "number"): "phone",
    ("contact", "number"): "phone",
    ("phone", "number"): "phone",
    ("mobile", "number"): "phone",
    ("card", "number"): "card",
    ("zip", "code"): "zip",
    ("postal", "code"): "zip",
    ("order", "number"): "none",
    ("order", "no"): "none",
    ("invoice", "number"): "none",
    ("tracking", "number"): "none",
    ("serial", "number"): "none",
    ("part", "number"): "none",
    ("account", "number"): "none",
    ("date", "birth"): "birth",
    ("numéro", "commande"): "none",
}
"""Two words that mean something together only."""

CAPITALS: Final[dict[str, Label]] = {
    "SIN": "id", "EIN": "id", "TIN": "id", "NAS": "id", "NI": "id", "DL": "id", "RČ": "id", "CC": "id", "RUT": "id", "PPS": "id", "INSZ": "id", "NN": "id", "KP": "id", "RRN": "id",
    "PESEL": "id", "NIN": "id",
}  # fmt: skip
"""Abbreviations that are other words, or none, in lower case."""

ABBREVIATIONS: Final[tuple[tuple[str, Label], ...]] = (
    ("C.C.", "id"), ("r.č.", "id"), ("T.C.", "id"), ("C.F.", "id"), ("N.I.", "id"), ("D.N.I.", "id"), ("C.I.", "id"),
    ("N.I.F.", "id"), ("P.IVA", "id"), ("R.U.T.", "id"), ("R.F.C.", "id"), ("N.I.E.", "id"), ("rod. č.", "id"), ("a.k.", "id"),
    ("p.k.", "id"), ("D.O.B.", "birth"),
)  # fmt: skip
"""Letters with full stops between them."""
