"""Any pod that the API server takes without a sidecar, it takes with one."""

from typing import Any

import pytest
from hypothesis import given, settings

from parley_operator.injector.review import Result
from tests.injector.live import LOOSE, Api
from tests.injector.valid_pods import VALID_PODS
from tests.injector.world import sidecar, verdict_on

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("injector")]

EXAMPLES = 40
"""Three requests each, some ten milliseconds together."""


@settings(max_examples=EXAMPLES, deadline=None)
@given(pod=VALID_PODS)
def test_any_valid_pod_is_valid_with_its_sidecar(pod: dict[str, Any], api: Api) -> None:
    """It is taken as it would be without, and what came out of it is taken again unchanged."""
    declined = {**pod, "metadata": {**pod["metadata"], "annotations": {"parley.dev/enabled": "false"}}}
    verdict = verdict_on(pod)

    bare, once = api.create(LOOSE, declined), api.create(LOOSE, pod)
    assert [(201, "")] * 2 == [(answer.status, answer.message) for answer in (bare, once)]
    twice = api.create(LOOSE, {"metadata": meta(once.document), "spec": once.document["spec"]})

    assert (201, "") == (twice.status, twice.message)
    assert once.document["spec"] == twice.document["spec"]
    assert meta(once.document) == meta(twice.document)
    if verdict.result is Result.INJECTED:
        assert "parley" == sidecar(once.document)["name"]
    else:
        assert f"skipped:{verdict.reason}" == once.document["metadata"]["annotations"]["parley.dev/injection"]
        assert len(bare.document["spec"]["containers"]) == len(once.document["spec"]["containers"])


def meta(document: dict[str, Any]) -> dict[str, Any]:
    """Return what the owner and the webhooks said of a pod."""
    return {key: text for key, text in document["metadata"].items() if key in {"name", "labels", "annotations"}}
