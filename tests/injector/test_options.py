"""The table of annotations."""

from dataclasses import fields

import pytest

from parley_crds import names
from parley_operator.injector.options import TABLE, Options, read_options

GOOD: dict[str, tuple[str, object]] = {
    "enabled": ("False", False),
    "app-id": ("Shop.v2_a-b", "Shop.v2_a-b"),
    "native-sidecar": ("false", False),
    "image": ("registry:5000/acme/parley__x.y-z:1.0_a", "registry:5000/acme/parley__x.y-z:1.0_a"),
    "openai-env": ("true", True),
    "api-token-secret": ("my.token-1", "my.token-1"),
    "log-level": ("warning", "warning"),
    "precise-statuses": ("TRUE", True),
    "drain-seconds": ("0", 0),
    "http-port": ("3600", 3600),
    "grpc-port": ("0", 0),
    "metrics-port": ("1024", 1024),
    "startup-seconds": ("3600", 3600),
    "probe-period-seconds": ("300", 300),
    "probe-timeout-seconds": ("60", 60),
    "probe-failures": ("100", 100),
    "cpu-request": ("0.25", "0.25"),
    "cpu-limit": ("1500m", "1500m"),
    "memory-request": ("64Mi", "64Mi"),
    "memory-limit": ("1.5Gi", "1.5Gi"),
    "env": ("A=1, NO_PROXY=a,b.c,HTTP_PROXY=http://p:1", {"A": "1", "NO_PROXY": "a,b.c", "HTTP_PROXY": "http://p:1"}),
}
BAD = {
    "enabled": ("yes", "1", "", "truee"),
    "app-id": ("", "-shop", "a b", "a" * 64, "shop/x", "shop\n"),
    "native-sidecar": ("yes", ""),
    "image": ("parley", "acme/Parley:1", "parley:", "a b:1", "parley@sha256:12", "/p:1", "p:1\n", f"p:{'1' * 129}", ""),
    "openai-env": ("1",),
    "startup-seconds": ("0", "3601"),
    "probe-period-seconds": ("0", "301"),
    "probe-timeout-seconds": ("0", "61"),
    "probe-failures": ("0", "101", "three"),
    "api-token-secret": ("", "My", "a..b", "a" * 254),
    "log-level": ("warn", "INFO", ""),
    "precise-statuses": ("no",),
    "drain-seconds": ("-1", "3601", "10s", "1.5", ""),
    "http-port": ("80", "65536", "http", "0x1000", "", "\u0661\u0662\u0663\u0664"),
    "grpc-port": ("1023", "-0", "65536", ""),
    "metrics-port": ("1023",),
    "cpu-request": ("0", "0m", "1.5m", "-1", "1Gi", ""),
    "cpu-limit": ("0.0001", "cpu"),
    "memory-request": ("0Mi", "256", "256m", "1gi", ""),
    "memory-limit": ("0.0Gi", "lots"),
    "env": ("A", "=1", "1A=2", "PARLEY_APP_ID=other", "DAPR_API_TOKEN=x", "APP_API_TOKEN=x", ""),
}


def test_a_pod_without_annotations_asks_for_nothing() -> None:
    """All is at its default, and nothing was asked for."""
    assert Options(asked=False) == read_options({})


def test_a_labelled_namespace_asks_for_its_pods() -> None:
    """The second webhook entry stands for the namespace's label."""
    assert Options(asked=True) == read_options({}, by_namespace=True)


def test_every_option_has_one_row() -> None:
    """What can be asked for is in the table, once; the rest of the options is said about the annotations."""
    told = {"asked", "problems", "unknown"}

    assert {field.name for field in fields(Options)} - told == {row.option for row in TABLE}
    assert len(TABLE) == len({row.option for row in TABLE}) == len({row.name for row in TABLE})


def test_the_contracts_names_are_the_tables() -> None:
    """The annotations that other parts spell too are spelt alike."""
    assert {names.ENABLED_ANNOTATION, names.APP_ID_ANNOTATION} <= {row.name for row in TABLE}


@pytest.mark.parametrize("key", GOOD)
def test_a_good_value_is_read(key: str) -> None:
    """Each annotation sets its option, in the option's own type."""
    text, expected = GOOD[key]
    row = next(row for row in TABLE if row.key == key)

    options = read_options({row.name: text})

    assert (expected, ()) == (getattr(options, row.option), options.problems)


@pytest.mark.parametrize(("key", "text"), [(key, text) for key, texts in BAD.items() for text in texts])
def test_a_bad_value_is_named_and_not_repeated(key: str, text: str) -> None:
    """The problem says which annotation and what it must be; the value stays out, and the option at its default."""
    row = next(row for row in TABLE if row.key == key)

    options = read_options({row.name: text})

    words = row.form.words.replace("`", "")
    assert (f"the annotation parley.dev/{key} must be {words}",) == options.problems
    assert getattr(Options(asked=True), row.option) == getattr(options, row.option)


@pytest.mark.parametrize(
    "image",
    [
        "parley:1",
        "ghcr.io/acme/parley-sidecar:1.2.0",
        f"parley@sha256:{'0f' * 32}",
        f"localhost:5000/a/b:1@sha256:{'0f' * 32}",
        f"a.b/c@sha512:{'0f' * 64}",
    ],
)
def test_an_image_has_a_tag_or_a_digest(image: str) -> None:
    """With a registry or without."""
    assert image == read_options({"parley.dev/image": image}).image


def test_every_bad_value_is_told_at_once() -> None:
    """An owner who made two mistakes learns of both."""
    options = read_options({"parley.dev/enabled": "yes", "parley.dev/cpu-limit": "fast"})

    assert ["parley.dev/enabled", "parley.dev/cpu-limit"] == [text.split()[2] for text in options.problems]


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({"cpu-request": "2", "cpu-limit": "1500m"}, "cpu-request must not be above"),
        ({"memory-request": "1Gi", "memory-limit": "1000M"}, "memory-request must not be above"),
        ({"http-port": "4000", "grpc-port": "4000"}, "must differ"),
        ({"http-port": "50001"}, "must differ"),
        ({"grpc-port": "0", "metrics-port": "3500"}, "must differ"),
        ({"metrics-port": "3500"}, "must differ"),
    ],
)
def test_annotations_that_contradict_each_other_are_a_problem(annotations: dict[str, str], words: str) -> None:
    """Values that are each good may not fit together."""
    options = read_options({f"parley.dev/{key}": text for key, text in annotations.items()})

    (problem,) = options.problems
    assert words in problem


def test_equal_request_and_limit_are_fine() -> None:
    """However they are written."""
    assert () == read_options({"parley.dev/cpu-request": "1", "parley.dev/cpu-limit": "1000m"}).problems


def test_annotations_of_our_group_that_mean_nothing_are_noticed() -> None:
    """A misspelt one is not silently without effect; what we stamp ourselves and other groups are left alone."""
    annotations = {
        "parley.dev/cpu-limits": "1",
        "parley.dev/injection": "skipped:host_network",
        "parley.dev/resolved-app-id": "shop",
        "parley.dev/sidecar-revision": "1",
        "parley.dev/restarted-at": "now",
        "prometheus.io/scrape": "true",
    }

    assert ("parley.dev/cpu-limits",) == read_options(annotations).unknown
