"""What `helm test` runs, on a real API server and with the rights that the chart gives it, while the parts come up."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster
from parley_operator.__main__ import main
from tests.chart.rendering import manifests, one
from tests.conftest import free_port
from tests.control_plane import parts
from tests.control_plane.release import CHART, Release, namespace

pytestmark = pytest.mark.control_plane

SYSTEM, LAB, NAME = "tried-system", "tried-lab", "tried-parley"


@pytest.fixture
def parley(control_plane: Cluster) -> Iterator[Release]:
    """The chart, serving one namespace, with the injector on this machine; its parts do not run yet."""
    port = free_port()
    values = (f"watchNamespaces={{{LAB}}}", f"injector.url=https://127.0.0.1:{port}", f"injector.port={port}")
    with ExitStack() as stack:
        for name in (SYSTEM, LAB):
            stack.enter_context(namespace(control_plane, name))
        release = Release(control_plane, NAME, SYSTEM, waits=False)
        stack.enter_context(release.installed(*values))
        yield release


@pytest.fixture
def trial(parley: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of the trial's pod, whose account has its rights and is KUBECONFIG's."""
    flags = ("--kube-version", "1.36.0", "--show-only", "templates/tests/selftest.yaml", "--set")
    place = ("--namespace", SYSTEM, *flags, f"watchNamespaces={{{LAB}}}")
    hooks = list(manifests(parley.cluster.helm("template", NAME, str(CHART), *place)))
    pod = one(hooks, "Pod", f"{NAME}-selftest")
    rights: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": [each for each in hooks if each is not pod]}
    parley.cluster.kubectl("apply", "-f", "-", feed=json.dumps(rights))
    parts.kubeconfig(parley, pod["spec"]["serviceAccountName"], tmp_path / "trial")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "trial"))
    return list(pod["spec"]["containers"][0]["args"])


def failure(trial: list[str], limit_s: str) -> str:
    """Return with which words the trial fails."""
    with pytest.raises(SystemExit) as ended:
        main([*trial, "--limit", limit_s])
    return str(ended.value.code)


def test_the_trial_says_what_is_missing(
    parley: Release, trial: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an operator, then without an injector, it fails and says so; with both it succeeds; it leaves nothing."""
    without_operator = failure(trial, "0")
    with parts.running("operator", parts.operators(parley, tmp_path), tmp_path / "operator.log"):
        variables = parts.injectors(parley, tmp_path)
        without_injector = failure(trial, "3")
        capsys.readouterr()
        with parts.running("injector", variables, tmp_path / "injector.log"):
            main(trial)

    assert "failed: not within 0 s: the component is Ready (no operator has judged it)" == without_operator
    assert "failed: not within 3 s: a pod gets its sidecar (admitted without one: " in without_injector
    assert ["created", "Ready", "sidecar", "removed"] == [
        line.split()[-1] for line in capsys.readouterr().out.splitlines()
    ]
    assert not parley.cluster.kubectl("-n", LAB, "get", "conv,pods", "-o", "name")
