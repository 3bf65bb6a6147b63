"""The allow-list: which values an entry lets go, and which it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from parley_sidecar.pii.allowed import Allowed


@pytest.mark.parametrize(
    ("entry", "kind", "value"),
    [
        ("ann@example.com", "EMAIL_ADDRESS", "Ann@Example.COM"),
        ("example.com", "EMAIL_ADDRESS", "ann@example.com"),
        ("Example.com", "EMAIL_ADDRESS", "ann@mail.EXAMPLE.com"),
        ("example.com", "URL", "www.example.com"),
        ("bücher.example", "EMAIL_ADDRESS", "ann@BÜCHER.example"),
        ("example.xn--p1ai", "EMAIL_ADDRESS", "ann@example.xn--p1ai"),
        ("+41 44 668 18 00", "PHONE_NUMBER", "+41-44-6681800"),
        ("4111111111111111", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("CH93 0076 2011 6238 5295 7", "IBAN", "ch9300762011623852957"),
        ("00:1b:44:11:3a:b7", "MAC_ADDRESS", "00-1B-44-11-3A-B7"),
        ("4111111111111111", "CREDIT_CARD", "\uff14111 1111 1111 1111"),
        ("10.0.0.0/8", "IP", "10.255.0.1"),
        ("10.1.2.3", "IP", "10.1.2.3"),
        ("10.0.0.0/8", "IP", "10[.]1[.]2[.]3"),
        ("10.0.0.0/8", "IP", "10 dot 1 dot 2 dot 3"),
        ("10.0.0.0/8", "IP", "::ffff:10.1.2.3"),
        ("fd00::/8", "IP", "fd12:3456::1"),
        ("2001:db8::1", "IP", "2001:0DB8:0:0:0:0:0:1"),
        ("Zurich", "LOCATION", "Zurich"),
        (" EMP-1 ", "EMPLOYEE_ID", "EMP-1"),
        ("hunter2.example.com", "SECRET", "hunter2.example.com"),
        ("1.11.1990", "DATE_OF_BIRTH", "1.11.1990"),
    ],
)
def test_an_entry_lets_its_value_go(entry: str, kind: str, value: str) -> None:
    """Cases of addresses, separators of numbers, what is below a domain and within a network make no difference."""
    assert Allowed([entry])(kind, value)


@pytest.mark.parametrize(
    ("entry", "kind", "value"),
    [
        ("ann@example.com", "EMAIL_ADDRESS", "joann@example.com"),
        ("ann@example.com", "EMAIL_ADDRESS", "ann@example.com.evil.org"),
        ("example.com", "EMAIL_ADDRESS", "ann@notexample.com"),
        ("example.com", "EMAIL_ADDRESS", "example.com@evil.org"),
        ("com", "EMAIL_ADDRESS", "ann@example.com"),
        ("example.com", "SECRET", "hunter2.example.com"),
        ("example.com", "URL", "https://evil.org/?to=example.com/x"),
        ("+41 44 668 18 00", "PHONE_NUMBER", "+41 44 668 18 01"),
        ("12.3.4.5", "IP", "1.23.4.5"),
        ("1.11.1990", "DATE_OF_BIRTH", "11.1.1990"),
        ("10.0.0.0/8", "IP", "11.0.0.1"),
        ("10.0.0.0/8", "IP", "::1"),
        ("10.0.0.0/8", "IP", "999.1.1.1"),
        ("10.0.0.0/8", "VERSION", "10.1.2.3"),
        ("Zurich", "LOCATION", "ZURICH"),
        ("4111111111111111", "SECRET", "4111 1111 1111 1111"),
        ("-", "PHONE_NUMBER", "+"),
    ],
)
def test_an_entry_lets_nothing_else_go(entry: str, kind: str, value: str) -> None:
    """What merely looks alike is hidden; secrets are compared letter by letter."""
    assert not Allowed([entry])(kind, value)


@given(some.text(), some.sampled_from(["IP", "PHONE_NUMBER", "EMAIL_ADDRESS", "SECRET", "PERSON"]))
def test_an_empty_list_lets_nothing_go(value: str, kind: str) -> None:
    """Whatever the value is."""
    assert not Allowed([])
    assert not Allowed([])(kind, value)


@given(some.lists(some.text(min_size=1)), some.text(), some.sampled_from(["IP", "IBAN", "EMAIL_ADDRESS", "SECRET"]))
def test_any_entry_and_any_value_can_be_compared(entries: list[str], value: str, kind: str) -> None:
    """An entry lets itself go, as it stands there, for every kind."""
    allowed = Allowed([*entries, value])

    assert allowed(kind, value.strip())
