"""The store section: credentials in the URL, a key for each namespace, a version that tells nothing."""

import base64

import pytest

from parley_crds.loading import SecretData
from parley_crds.stream import StoreSection
from parley_operator.redis_acl import PASSWORD_KEY, password_of
from parley_operator.store_section import StoreSource, with_credentials

URL = "redis://parley-redis.parley-system.svc:6379"
CREDENTIALS = SecretData("u1", "1", {"username": "parley", "password": "p@ss/word", "ca.crt": "PEM"})
OWN = SecretData("u1", "1", {PASSWORD_KEY: "the-operators", "password": "of an older chart"})
CONTEXT = SecretData("u2", "1", {"key": base64.b64encode(b"k" * 32).decode()})


@pytest.mark.parametrize(
    ("url", "username", "password", "expected"),
    [
        (URL, "parley", "p@ss/word", "redis://parley:p%40ss%2Fword@parley-redis.parley-system.svc:6379"),
        ("rediss://host:6380/2", "", "secret", "rediss://:secret@host:6380/2"),
        ("redis://old:old@host", "", "new", "redis://:new@host"),
        ("redis://host", "user", "", "redis://host"),
        ("redis+cluster://one:1,two:2", "", "se,cret", "redis+cluster://:se%2Ccret@one:1,two:2"),
        ("rediss+sentinel://[::1]:1,two/main/3", "u", "p", "rediss+sentinel://u:p@[::1]:1,two/main/3"),
    ],
)
def test_credentials_are_quoted_into_the_url(url: str, username: str, password: str, expected: str) -> None:
    """Whatever characters they have, the URL stays one."""
    assert expected == with_credentials(url, username, password)


@pytest.mark.parametrize(
    ("url", "credentials", "expected"),
    [
        ("redis+sentinel://one/main", {"sentinel-password": "a&b"}, "redis+sentinel://one/main?sentinelPassword=a%26b"),
        (
            "redis+sentinel://one/main",
            {"password": "p", "sentinel-username": "u", "sentinel-password": "s"},
            "redis+sentinel://:p@one/main?sentinelUser=u&sentinelPassword=s",
        ),
        ("redis://host", {"sentinel-password": "s"}, "redis://host"),
    ],
)
def test_the_sentinels_have_credentials_of_their_own(url: str, credentials: dict[str, str], expected: str) -> None:
    """They are parameters, and only where there are Sentinels."""
    source = StoreSource(url, needs_secret=False, credentials=SecretData("u1", "1", credentials), context=None)

    assert expected == source.section("shop").url


def test_a_section_waits_for_its_credentials() -> None:
    """Until the Secret is filled there is no store, rather than one that refuses everybody."""
    waiting = StoreSource(URL, needs_secret=True, credentials=None, context=None).section("shop")
    without = StoreSource(URL, needs_secret=False, credentials=None, context=None).section("shop")
    none = StoreSource("", needs_secret=True, credentials=CREDENTIALS, context=None).section("shop")

    assert ("", URL, "") == (waiting.url, without.url, none.url)


def test_each_namespace_has_a_context_key_of_its_own() -> None:
    """32 bytes, the same on every replica, and no namespace's follows from another's."""
    source = StoreSource(URL, needs_secret=True, credentials=CREDENTIALS, context=CONTEXT)
    shop, bank = source.section("shop"), source.section("bank")

    assert 32 == len(base64.b64decode(shop.context_key))
    assert shop == source.section("shop")
    assert shop.context_key != bank.context_key
    assert "PEM" == shop.ca


def test_two_context_keys_are_valid_during_a_rotation() -> None:
    """What was the namespace's key stays so under its former name, and the version tells that something changed."""
    new = base64.b64encode(b"n" * 32).decode()
    rotated = SecretData("u2", "2", {"key": new, "former-key": CONTEXT.data["key"]})
    before, after = (
        StoreSource(URL, needs_secret=False, credentials=None, context=each).section("shop")
        for each in (CONTEXT, rotated)
    )

    assert ("", before.context_key) == (before.former_context_key, after.former_context_key)
    assert before.context_key != after.context_key
    assert before.version != after.version
    assert after.former_context_key not in repr(after)


def test_a_former_key_that_is_none_is_told_and_left_out() -> None:
    """The key for new rooms goes on."""
    context = SecretData("u2", "1", {**CONTEXT.data, "former-key": "c2hvcnQ="})
    source = StoreSource(URL, needs_secret=False, credentials=None, context=context)

    assert source.has_unusable_key
    assert "" == source.section("shop").former_context_key
    assert source.section("shop").context_key


@pytest.mark.parametrize("key", ["not base64!", "c2hvcnQ=", "ä"], ids=["garbage", "short", "no ascii"])
def test_a_context_key_that_is_none_is_told_and_left_out(key: str) -> None:
    """The rest of the section, and everybody's stream, goes on."""
    source = StoreSource(URL, needs_secret=True, credentials=CREDENTIALS, context=SecretData("u2", "1", {"key": key}))

    assert source.has_unusable_key
    assert ("", True) == (source.section("shop").context_key, bool(source.section("shop").url))


def test_a_usable_or_missing_context_key_is_no_fault() -> None:
    """A line break at its end, as editors leave it, does no harm."""
    ended = SecretData("u2", "1", {"key": CONTEXT.data["key"] + "\n"})
    contexts = [None, SecretData("u2", "1", {}), CONTEXT, ended]
    sources = [StoreSource(URL, needs_secret=False, credentials=None, context=each) for each in contexts]

    assert not any(source.has_unusable_key for source in sources)
    assert sources[2].section("shop").context_key == sources[3].section("shop").context_key


def test_the_version_follows_the_secrets_and_gives_nothing_away() -> None:
    """It changes with a Secret's version, not with its content."""
    first = StoreSource(URL, needs_secret=True, credentials=CREDENTIALS, context=CONTEXT).section("shop").version
    rotated = StoreSource(URL, needs_secret=True, credentials=SecretData("u1", "2", CREDENTIALS.data), context=CONTEXT)
    same = StoreSource(URL, needs_secret=True, credentials=SecretData("u1", "1", {"password": "x"}), context=CONTEXT)

    assert first != rotated.section("shop").version
    assert first == same.section("shop").version


def test_nothing_secret_is_printed() -> None:
    """Neither the source nor the section shows a password or a key."""
    source = StoreSource(URL, needs_secret=True, credentials=CREDENTIALS, context=CONTEXT)
    section: StoreSection = source.section("shop")

    assert "p@ss" not in repr(source) + repr(section)
    assert section.context_key not in repr(section)


def test_in_the_charts_own_redis_each_namespace_has_a_user() -> None:
    """Who has one namespace's password has no other's, nor the operator's."""
    source = StoreSource(URL, needs_secret=True, credentials=OWN, context=None, own_redis=True)
    shop, bank = source.section("shop").url, source.section("bank").url

    assert with_credentials(URL, "parley-shop", password_of("shop", "the-operators")) == shop
    assert with_credentials(URL, "parley-bank", password_of("bank", "the-operators")) == bank
    assert "the-operators" == source.operator_password
    assert "the-operators" not in shop + bank + repr(source)


@pytest.mark.parametrize(
    "source",
    [
        StoreSource(URL, needs_secret=True, credentials=None, context=None, own_redis=True),
        StoreSource(URL, needs_secret=True, credentials=CREDENTIALS, context=None, own_redis=True),
        StoreSource("", needs_secret=True, credentials=OWN, context=None, own_redis=True),
    ],
    ids=["no Secret", "an older chart's", "no Redis"],
)
def test_until_the_operator_has_a_password_there_are_no_users(source: StoreSource) -> None:
    """And so no store, rather than one that refuses everybody."""
    assert ("", "") == (source.operator_password, source.section("shop").url)


def test_a_store_of_the_users_has_no_operator() -> None:
    """Its one user is whoever the Secret names; nothing is derived."""
    source = StoreSource(URL, needs_secret=True, credentials=SecretData("u", "1", {**OWN.data}), context=None)

    assert "" == source.operator_password
    assert source.section("shop").url == source.section("bank").url
