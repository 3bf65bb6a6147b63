"""Each sort of value: what is one, and what only looks like one."""

import pytest

from parley_sidecar.pii import mask
from parley_sidecar.pii.kinds import Span, merged

FOUND = {
    "my number is two one two, five five five, double oh one nine": "my number is <PHONE_NUMBER>",
    "four one five five five five two six seven one": "<PHONE_NUMBER>",
    "card four one one one one one one one one one one one one one one one": "card <CREDIT_CARD>",
    "ssn one two three four five six seven eight nine ok": "ssn <US_SSN> ok",
    "ISBN 978-0-306-40615-7": "ISBN <ISBN>",
    "zip 90210-1234": "zip <ZIP_CODE>",
    "Beverly Hills, CA 90210": "Beverly Hills, CA <ZIP_CODE>",
    "P.O. Box 77": "<PO_BOX>",
    "Hauptstraße 12a": "<STREET_ADDRESS>",
    "12 rue de la Paix": "<STREET_ADDRESS>",
    "10[.]8[.]9[.]1 and 10 dot 8 dot 9 dot 1": "<IP> and <IP>",
    "2001:db8::1:443, fe80::1 and ::ffff:10.8.9.1": "<IP>, <IP> and <IP>",
    "[2001:db8::8a2e:370:7334]:8080": "[<IP>]:8080",
    "inet6 addr:fe80::a00:27ff:fe4e:66a1/64, src:2001:db8::1": "inet6 addr:<IP>/64, src:<IP>",
    "10.8.9[.]1 and 10(.)8(.)9(.)1": "<IP> and <IP>",
    "cc@@ann@example.com": "cc@@<EMAIL_ADDRESS>",
    "x_hf_bbiQfxVmxejhbsuNbyNeebvAcVkUyzQgNN": "x_<SECRET>",
    "in Wilhelmsplatz 7, Kungsgatan 3 and Via Roma 12": "in <STREET_ADDRESS>, <STREET_ADDRESS> and <STREET_ADDRESS>",
    "hkid A123456(3), NIE X-1234567-L": "hkid <NATIONAL_ID>, NIE <NATIONAL_ID>",
    "The “DOB” is 1985-03-12": "The “DOB” is <DATE_OF_BIRTH>",
    "userPhone 5550132456": "userPhone <PHONE_NUMBER>",
    "密码: Sunny#Day12": "密码: <SECRET>",
    "from 2001:db8:1:2:3:4:5:6:51234 on": "from <IP>:51234 on",
    "00:1b:44:11:3a:b7, 00-1B-44-11-3A-B7 and 001b.4411.3ab7": "<MAC_ADDRESS>, <MAC_ADDRESS> and <MAC_ADDRESS>",
    "IBAN DE89 3704 0044 0532 0130 01": "IBAN <IBAN>",
    "0x52908400098527886E0F7030069857D2E4169EE7": "<CRYPTO_WALLET>",
    "1BoatSLRHtKNngkdXEeobR76b53LETtpyT": "<CRYPTO_WALLET>",
    "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a": "bitcoincash:<CRYPTO_WALLET>",
    "born on 12 March 1985": "born on <DATE_OF_BIRTH>",
    "Ich bin am 12.03.1985 geboren": "Ich bin am <DATE_OF_BIRTH> geboren",
    "b. March 12, 1985": "b. <DATE_OF_BIRTH>",
    "call 212-456-7890 ext. 12": "call <PHONE_NUMBER>",
    "(212) 456-7890 (mobile)": "<PHONE_NUMBER> (mobile)",
    "04155552671 is my number": "<PHONE_NUMBER> is my number",
    "phone 0033 4 22 84 60 03": "phone <PHONE_NUMBER>",
    "C.C. 1158246566": "C.C. <NATIONAL_ID>",
    "529.982.247-25": "<NATIONAL_ID>",
    "passport no. X1234567": "passport no. <NATIONAL_ID>",
    "AB 12 34 56 C": "<NATIONAL_ID>",
    "11010519491231002X": "<NATIONAL_ID>",
    "mail john dot doe at example dot org": "mail <EMAIL_ADDRESS>",
    "john [at] example [dot] org": "<EMAIL_ADDRESS>",
    "john @ example . org": "<EMAIL_ADDRESS>",
    "john@example.com.Please call": "<EMAIL_ADDRESS>.Please call",
    "DB_PASSWORD=Sunny#Day12": "DB_PASSWORD=<SECRET>",
    "the new password will be Sunny#Day12.": "the new password will be <SECRET>.",
    "Sunny#Day12 is my password": "<SECRET> is my password",
    "wifi: guest / SunnyDay12": "wifi: guest / <SECRET>",
    "<password>Sunny</password>": "<password><SECRET></password>",
    "mysql --host db -pSunnyDay12 shop": "mysql --host db -p<SECRET> shop",
    "postgres://app:SunnyDay12@db/shop": "postgres://app:<SECRET>@db/shop",
    "Authorization: Basic Ym9iOnNlY3JldDEyMw==": "Authorization: Basic <SECRET>",
    "use SSWS 00abcdefghijklmnopqrstuvwxyz0123456789ABCD": "use <SECRET>",
}
HARMLESS = (
    "one two three four five six seven eight nine ten",
    "chapter one two three",
    "1.2.3.4 Introduction",
    "version 10.4.2.1",
    "10.0.0.0/16, 127.0.0.1, 0.0.0.0 and 255.255.255.0",
    "::1 and ::",
    "12:34:56 and dead::beef",
    "0x0000000000000000000000000000000000000000",
    "DE89 is not an account",
    "look at example.com",
    "we met at lunch",
    "x = W @ b.T and (A@B.to(device))",
    "git@github.com:acme/repo.git",
    "actions/checkout@v4",
    "the meeting on 12 March 1985",
    "order number 4155552671",
    "123-456-7890-1234",
    "04/05/2024 10:15",
    "password = os.environ['DB_PASSWORD']",
    "if password != other: raise ValueError",
    "api_key: ${API_KEY}",
    "password_min_length=12 token_ttl=3600",
    "the password is incorrect",
    "cache_key = f'{prefix}:{page}'",
    "http://localhost:5432/shop",
    "sk-this-is-just-a-long-name-in-kebab-case",
    "0041 0300 0301 0302 0303 0304 0305",
    "5513 5514 5515 5516 5517",
    "color: #000000",
)


@pytest.mark.parametrize("text", FOUND)
def test_a_value_is_found(text: str) -> None:
    """Whole, and by its name."""
    assert FOUND[text] == mask(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_looks_like_one_stays(text: str) -> None:
    """There is no evidence for it, or there is some against it."""
    assert text == mask(text)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([Span(5, 9, "IP"), Span(0, 3, "IBAN")], [Span(0, 3, "IBAN"), Span(5, 9, "IP")]),
        ([Span(0, 4, "IP"), Span(0, 9, "IBAN")], [Span(0, 9, "IBAN")]),
        ([Span(0, 4, "IP"), Span(2, 9, "IBAN")], [Span(0, 9, "IBAN")]),
        ([Span(0, 9, "IP"), Span(2, 4, "IBAN"), Span(9, 11, "ISBN")], [Span(0, 9, "IP"), Span(9, 11, "ISBN")]),
    ],
)
def test_what_overlaps_is_one_value(spans: list[Span], expected: list[Span]) -> None:
    """Of the longest one's kind, and nothing of any is left."""
    assert expected == merged(spans)
