"""The address of a Redis as a URL: what is meant by each form, and what is refused without being shown."""

import pytest

from parley_sidecar.store_address import StoreAddress, User, read_store_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", StoreAddress("server", tls=False, hosts=(("cache", 6379),))),
        ("redis://10.0.0.1:7000/", StoreAddress("server", tls=False, hosts=(("10.0.0.1", 7000),))),
        ("rediss://[::1]:6380/2", StoreAddress("server", tls=True, hosts=(("::1", 6380),), database=2)),
        (
            "redis://:p%40ss%2Fword@cache",
            StoreAddress("server", tls=False, hosts=(("cache", 6379),), user=User(None, "p@ss/word")),
        ),
        (
            "redis://parley@cache",
            StoreAddress("server", tls=False, hosts=(("cache", 6379),), user=User("parley", None)),
        ),
        (
            "rediss+cluster://u:p@one,two:7000/0",
            StoreAddress("cluster", tls=True, hosts=(("one", 6379), ("two", 7000)), user=User("u", "p")),
        ),
        (
            "redis+sentinel://one,two:7000/my%20master/3",
            StoreAddress("sentinel", tls=False, hosts=(("one", 26379), ("two", 7000)), master="my master", database=3),
        ),
        (
            "redis+sentinel://:p@one/main?sentinelUser=s&sentinelPassword=a%26b",
            StoreAddress(
                "sentinel",
                tls=False,
                hosts=(("one", 26379),),
                master="main",
                user=User(None, "p"),
                sentinel_user=User("s", "a&b"),
            ),
        ),
    ],
)
def test_each_form_is_read(url: str, expected: StoreAddress) -> None:
    """Ports have their defaults, and what is percent-encoded is decoded."""
    assert expected == read_store_address(url)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("localhost:6379", "must be a Redis URL"),
        ("http://:hush@cache", "must be a Redis URL"),
        ("redis+unix://:hush@cache", "must be a Redis URL"),
        ("redis://:hush@", "must be a Redis URL"),
        ("redis://:hush@cache#1", "must be a Redis URL"),
        ("redis://:hush@one,two", "must name one host"),
        ("redis+cluster://:hush@one,,two", "must name its hosts"),
        ("redis://:hush@cache:0", "must name its hosts"),
        ("redis://:hush@cache:65536", "must name its hosts"),
        ("redis://:hush@cache:port", "must name its hosts"),
        ("redis://:hush@cache/first", "must end in the number of a database"),
        ("redis://:hush@cache/1/2", "must end in the number of a database"),
        ("redis+cluster://:hush@one/1", "a cluster has only number 0"),
        ("redis+sentinel://:hush@one", "must name the master"),
        ("redis+sentinel://:hush@one/main/first", "must end in the number of a database"),
        ("redis://:hush@cache?db=1", "takes no parameters but"),
        ("redis://:hush@cache?sentinelPassword=hush", "takes no parameters but"),
        ("redis+sentinel://:hush@one/main?hush", "takes no parameters but"),
        ("redis+sentinel://:hush@one/main?sentinelUser=s&ssl_cert_reqs=none", "takes no parameters but"),
    ],
)
def test_what_is_no_address_is_refused_without_being_shown(url: str, sentence: str) -> None:
    """The message says what is wanted; it is logged, and the text may hold a password."""
    with pytest.raises(ValueError, match=sentence) as caught:
        read_store_address(url)

    assert "hush" not in str(caught.value)


def test_no_password_is_printed() -> None:
    """Neither the master's nor the Sentinels'."""
    address = read_store_address("redis+sentinel://u:hush@one/main?sentinelPassword=hush")

    assert "hush" not in repr(address)
