"""What the trial of a new installation makes of what it sees; it is run in tests/control_plane/test_selftest.py."""

from typing import Any

import pytest

from parley_operator import kube, selftest
from parley_operator.__main__ import main
from parley_operator.errors import NotFound
from parley_operator.kube import Kube
from tests.operator.small_api import SmallApi

READY = {"type": "Ready", "status": "True", "reason": "Ready", "observedGeneration": 2}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (None, "no operator has judged it"),
        ([], "no operator has judged it"),
        ([READY | {"observedGeneration": 1}], "no operator has judged it"),
        ([READY | {"status": "False", "reason": "UnknownType"}], "UnknownType"),
        ([{"type": "Accepted", "status": "True", "reason": "Accepted"}, READY], ""),
    ],
)
def test_what_a_component_lacks(conditions: list[dict[str, Any]] | None, expected: str) -> None:
    """Only the judgement on its present generation counts, and only its Ready condition."""
    document = {"metadata": {"generation": 2}, "status": {"conditions": conditions}}

    assert expected == selftest.lacks(document)


@pytest.mark.parametrize(
    ("spec", "annotations", "expected"),
    [
        ({"containers": [{"name": "app"}], "initContainers": [{"name": "parley"}]}, {}, ""),
        ({"containers": [{"name": "parley"}, {"name": "app"}]}, {}, ""),
        ({"containers": [{"name": "app"}]}, {}, "admitted without one: no injector answered, or none was asked"),
        (
            {"containers": [{"name": "app"}]},
            {"parley.dev/injection": "skipped:port_conflict"},
            "the injector says skipped:port_conflict",
        ),
    ],
)
def test_what_a_pod_misses(spec: dict[str, Any], annotations: dict[str, str], expected: str) -> None:
    """A sidecar of either form will do; without one the injector's own word is passed on."""
    assert expected == selftest.misses({"metadata": {"annotations": annotations}, "spec": spec})


async def test_faults_of_the_api_server_are_told(small: SmallApi, api: Kube) -> None:
    """What the API server cannot answer is tried until the time is up; that the component stays is said beside it."""
    trial = selftest.Trial("shop", "trial", limit_s=0)
    small.refused[kube.component("shop", "trial")] = 503
    said: list[str] = []

    with pytest.raises(selftest.TrialFailed, match="status 503"):
        await selftest.run(api, trial, said.append)

    assert ["component shop/trial created", "component not removed"] == [line.partition(":")[0] for line in said]


async def test_what_an_earlier_trial_left_will_do(small: SmallApi, api: Kube) -> None:
    """A component of that name is judged as it is; one that somebody else removes is removed."""
    path = kube.component("shop", "trial")
    small.refused[kube.components("shop")] = 409
    small.refused[path] = 404

    with pytest.raises(NotFound):
        await selftest.run(api, selftest.Trial("shop", "trial", limit_s=0))

    assert f"DELETE {path}" == small.calls[-1]


def test_only_the_trial_takes_further_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """An argument that the other processes do not know is an error."""
    with pytest.raises(SystemExit):
        main(["injector", "--namespace", "shop"])

    assert "unrecognized arguments: --namespace shop" in capsys.readouterr().err
