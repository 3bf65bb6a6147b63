"""Who is calling: the pure half, what is made of headers, reviews and pods.

The other half is in test_stream and test_reviews.
"""

import base64
import json
from typing import Any

import pytest

from parley_crds import names
from parley_operator.authentication import (
    BAD_FOR_S,
    GOOD_FOR_S,
    MAX_TOKEN,
    Account,
    Identity,
    NotAdmitted,
    Unauthenticated,
    account_of,
    bearer,
    believed_s,
    identity_of,
)

ACCOUNT = Account("shop", "web", "web-1", "uid-1")


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic a.b.c", "Bearer a.b", "Bearer a.b.c d", f"Bearer a.b.{'c' * MAX_TOKEN}"],
)
def test_what_is_no_token_is_never_sent_to_the_api_server(header: str | None) -> None:
    """Only what has the shape of one is worth a review."""
    with pytest.raises(Unauthenticated, match="a bearer token is needed"):
        bearer(header)


def test_a_bearer_token_is_taken_in_any_case_of_its_scheme() -> None:
    """The scheme's name has no case. Source: RFC 9110 11.1."""
    assert "a.b-_.c" == bearer("bearer a.b-_.c")


def review(**difference: Any) -> dict[str, Any]:
    """Return a TokenReview's status that proves an account."""
    extra = {
        f"authentication.kubernetes.io/{name}": [value] for name, value in (("pod-name", "web-1"), ("pod-uid", "uid-1"))
    }
    user = {"username": "system:serviceaccount:shop:web", "extra": extra}
    return {"authenticated": True, "audiences": ["parley-operator"], "user": user, **difference}


def test_a_review_proves_an_account_and_its_pod() -> None:
    """Namespace and name come from the user name, the pod from the extras."""
    assert ACCOUNT == account_of(review(), "parley-operator")


def test_a_token_bound_to_no_pod_proves_an_account_without_one() -> None:
    """Whoever may create tokens for the account has not shown to be one of its pods."""
    unbound = review(user={"username": "system:serviceaccount:shop:web"})

    assert Account("shop", "web") == account_of(unbound, "parley-operator")


@pytest.mark.parametrize(
    "difference",
    [
        {"authenticated": False},
        {"audiences": ["https://kubernetes.default.svc"]},
        {"audiences": None},
        {"user": {"username": "admin"}},
        {"user": None},
    ],
    ids=str,
)
def test_anything_less_proves_nothing(difference: dict[str, Any]) -> None:
    """Another audience, a person, or no review at all."""
    assert account_of(review(**difference), "parley-operator") is None


def token(payload: Any) -> str:
    """Return what has a token's shape, with this payload."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip('=')}.signature"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"exp": 5000}, GOOD_FOR_S),
        ({"exp": 1007}, 7.0),
        ({"exp": 999}, 0.0),
        ({}, 0.0),
        ({"exp": "soon"}, 0.0),
        ([], 0.0),
    ],
    ids=str,
)
def test_a_review_is_believed_for_a_minute_but_never_beyond_the_tokens_end(payload: Any, expected: float) -> None:
    """A token that does not say when it ends is reviewed each time."""
    assert expected == believed_s(token(payload), ACCOUNT, 1000)


def test_a_payload_that_is_no_json_is_reviewed_each_time() -> None:
    """Nor one that is no base64; neither ends anything."""
    assert [0.0, 0.0] == [believed_s(text, ACCOUNT, 1000) for text in ("a.b.c", "a.bm90IEpTT04.c")]


def test_a_refusal_is_believed_for_a_few_seconds() -> None:
    """Long enough that a sidecar that tries again and again costs little."""
    assert BAD_FOR_S == believed_s(token({"exp": 5000}), None, 1000)


def pod(**difference: Any) -> dict[str, Any]:
    """Return the pod of the account's token, as the injector stamped it."""
    metadata = {"uid": "uid-1", "annotations": {names.RESOLVED_APP_ID_ANNOTATION: "shop"}}
    return {"metadata": metadata | difference.pop("metadata", {}), "status": {"phase": "Running"}, **difference}


def test_a_pod_is_what_the_injector_stamped_on_it() -> None:
    """The application id is read there and nowhere else."""
    assert Identity("shop", "web", "web-1", "shop", "uid-1") == identity_of(ACCOUNT, pod())


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ({"metadata": {"uid": "uid-2"}}, "is gone"),
        ({"metadata": {"deletionTimestamp": "2026-11-25T08:00:00Z"}}, "is gone"),
        ({"status": {"phase": "Succeeded"}}, "has ended"),
        ({"metadata": {"annotations": None}}, "not injected"),
    ],
    ids=["another", "going", "ended", "not injected"],
)
def test_a_pod_that_may_not_have_components_is_told_why(difference: dict[str, Any], words: str) -> None:
    """A later pod of the same name, one that ends, and one without a stamp."""
    with pytest.raises(NotAdmitted, match=words):
        identity_of(ACCOUNT, pod(**difference))
