"""Certificates: what is made verifies, and what is due is found by the calendar. Real keys, a passed clock."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.verification import PolicyBuilder, Store

from parley_operator.certificates import (
    CA_LIFE,
    CA_OVERLAP,
    LEAF_LIFE,
    LEAF_RENEWED_AFTER,
    MAX_FORMER,
    TRUSTED_BEFORE_USE,
    Authorities,
    Pair,
    bundle,
    leaf_is_due,
    make_authority,
    make_leaf,
    merged,
    rotated,
)

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SANS = ("parley-operator.parley-system.svc", "localhost", "127.0.0.1", "::1")
AUTHORITY = make_authority(NOW)
LEAF = make_leaf(AUTHORITY, SANS, NOW)


def loaded(pair: Pair) -> x509.Certificate:
    """Return a pair's certificate."""
    return x509.load_pem_x509_certificate(pair.certificate.encode())


@pytest.mark.parametrize("name", SANS[:2])
def test_the_leaf_verifies_against_the_authority(name: str) -> None:
    """A strict verifier accepts it for each of its names."""
    policy = PolicyBuilder().store(Store([loaded(AUTHORITY)])).time(NOW.replace(tzinfo=None))

    chain = policy.build_server_verifier(x509.DNSName(name)).verify(loaded(LEAF), [])

    assert 2 == len(chain)


def test_lives_are_a_year_and_a_week() -> None:
    """Both begin a little in the past, for clocks that are behind."""
    authority, leaf = loaded(AUTHORITY), loaded(LEAF)

    assert NOW + CA_LIFE == authority.not_valid_after_utc
    assert NOW + LEAF_LIFE == leaf.not_valid_after_utc
    assert authority.not_valid_before_utc < NOW > leaf.not_valid_before_utc


@pytest.mark.parametrize(
    ("leaf", "authority", "sans", "after", "expected"),
    [
        (LEAF, AUTHORITY, SANS, timedelta(0), False),
        (LEAF, AUTHORITY, SANS, LEAF_RENEWED_AFTER - timedelta(minutes=1), False),
        (LEAF, AUTHORITY, SANS, LEAF_RENEWED_AFTER + timedelta(minutes=1), True),
        (LEAF, AUTHORITY, (*SANS, "other"), timedelta(0), True),
        (LEAF, make_authority(NOW), SANS, timedelta(0), True),
        (None, AUTHORITY, SANS, timedelta(0), True),
        (Pair("garbage", "garbage"), AUTHORITY, SANS, timedelta(0), True),
        (Pair(LEAF.certificate, AUTHORITY.key), AUTHORITY, SANS, timedelta(0), True),
    ],
    ids=["new", "young", "old", "names", "authority", "none", "garbage", "no pair"],
)
def test_a_leaf_is_due_when_it_no_longer_serves(
    leaf: Pair | None, authority: Pair, sans: tuple[str, ...], after: timedelta, *, expected: bool
) -> None:
    """Two thirds of its life, another authority, other names, or something that is no certificate."""
    assert expected == leaf_is_due(leaf, authority, sans, NOW + after)


def test_an_authority_is_made_once() -> None:
    """Without one there is a new one; with one it stays, most of its year."""
    made = rotated(None, None, NOW)
    kept = rotated(AUTHORITY, None, NOW + CA_LIFE - CA_OVERLAP)

    assert NOW + CA_LIFE == loaded(made.current).not_valid_after_utc
    assert made.coming is None
    assert Authorities(AUTHORITY) == kept


def test_a_successor_is_trusted_for_an_hour_before_it_signs() -> None:
    """Near its end: first a successor beside it, then the successor alone."""
    near = NOW + CA_LIFE - CA_OVERLAP + timedelta(minutes=1)
    both = rotated(AUTHORITY, None, near)
    waiting = rotated(both.current, both.coming, near + TRUSTED_BEFORE_USE - timedelta(minutes=1))
    after = rotated(both.current, both.coming, near + TRUSTED_BEFORE_USE + timedelta(minutes=1))

    assert both.coming
    assert both == waiting
    assert AUTHORITY == both.current
    assert Authorities(both.coming) == after


def test_an_authority_that_has_ended_is_replaced_at_once() -> None:
    """By its successor if there is one, else by a new one; nothing else could be served."""
    coming = make_authority(NOW)
    ended = NOW + CA_LIFE + timedelta(days=1)

    assert Authorities(coming) == rotated(Pair("garbage", "garbage"), coming, NOW)
    replaced = rotated(AUTHORITY, None, ended)
    assert ended + CA_LIFE == loaded(replaced.current).not_valid_after_utc


@pytest.mark.parametrize("key", ["garbage", ""], ids=["garbage", "empty"])
def test_an_authority_without_its_key_is_replaced(key: str) -> None:
    """It can sign nothing any more, however long it would last."""
    replaced = rotated(Pair(AUTHORITY.certificate, key), Pair(LEAF.certificate, AUTHORITY.key), NOW)

    assert replaced.current.certificate != AUTHORITY.certificate
    assert replaced.coming is None


def test_a_key_of_another_kind_is_none_of_ours() -> None:
    """Somebody may have put an RSA pair there: it is replaced, not failed on for ever."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

    assert leaf_is_due(Pair(LEAF.certificate, pem), AUTHORITY, SANS, NOW)


def test_a_bundle_holds_the_authorities_and_earlier_ones_that_are_valid() -> None:
    """Who was given an earlier bundle and who is given a later one trust the same leaf; what has ended is dropped."""
    coming = make_authority(NOW)
    first = bundle(Authorities(AUTHORITY), "", NOW)
    both = bundle(Authorities(AUTHORITY, coming), first, NOW)
    after = bundle(Authorities(coming), both, NOW)
    much_later = bundle(Authorities(coming), both, NOW + CA_LIFE + timedelta(days=1))

    counts = [text.count("BEGIN CERTIFICATE") for text in (first, both, after, much_later)]
    assert [1, 2, 2, 1] == counts
    assert bundle(Authorities(AUTHORITY), first, NOW) == first


def test_garbage_in_an_earlier_bundle_is_left_out() -> None:
    """Whoever wrote it there, the authorities are trusted all the same."""
    earlier = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\nwhat is this?"

    assert bundle(Authorities(AUTHORITY), "", NOW) == bundle(Authorities(AUTHORITY), earlier, NOW)


def test_a_key_is_not_printed() -> None:
    """A pair in a log or a traceback shows its certificate only."""
    assert "PRIVATE" not in repr(Authorities(AUTHORITY, LEAF))


def test_authorities_of_others_overlap_too() -> None:
    """Two that came together, whatever stands around them; what was trusted before stays behind them until it ends."""
    ours, ended = AUTHORITY.certificate, make_authority(NOW - CA_LIFE - timedelta(days=1)).certificate
    first, second = (make_authority(NOW).certificate for _ in range(2))
    came = f"# by hand\n{first}junk\n{second}"

    assert first + second + ours == merged(came, ended + ours + second, NOW)
    assert ours == merged("", ours, NOW)
    assert "" == merged("garbage", ended, NOW)


def test_of_very_many_authorities_the_oldest_are_left_out() -> None:
    """Each is a kilobyte in every pod."""
    many = [make_authority(NOW).certificate for _ in range(MAX_FORMER + 2)]
    kept = ""
    for each in many:
        kept = merged(each, kept, NOW)

    assert "".join(reversed(many[1:])) == kept
