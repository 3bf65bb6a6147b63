"""The chart's two parts as processes of this machine, with the environment and the rights that the chart gives them.

Where pods only pretend to run, this is what would be in them; ports, host and tokens are this machine's.
"""

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import free_port, until
from tests.control_plane.release import Release

READY = 200
TLS = ("tls.crt", "tls.key", "ca.crt")


def kubeconfig(release: Release, account: str, file: Path) -> None:
    """Write a kubeconfig of one of the release's accounts."""
    config = json.loads(release.cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": release.kubectl("create", "token", account).strip()}
    file.write_text(json.dumps(config))


def operators(release: Release, directory: Path) -> dict[str, str]:
    """Return what the operator's container would have in its environment."""
    deployment = json.loads(release.kubectl("get", "deployment", f"{release.name}-operator", "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each.get("value", "") for each in container["env"]}
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    kubeconfig(release, account, directory / "kubeconfig")
    (directory / "peer").write_text(release.kubectl("create", "token", account, "--audience", "parley-peer"))
    own = {
        "KUBECONFIG": str(directory / "kubeconfig"),
        "PARLEY_NAMESPACE": release.namespace,
        "PARLEY_POD_NAME": "operated-0",
        "PARLEY_HOST": "127.0.0.1",
        "PARLEY_EXTRA_SANS": "127.0.0.1",
        "PARLEY_PORT": str(free_port()),
        "PARLEY_METRICS_PORT": str(free_port()),
        "PARLEY_PEER_TOKEN_FILE": str(directory / "peer"),
    }
    return os.environ | given | own


def injectors(release: Release, directory: Path) -> dict[str, str]:
    """Return the injector's environment, with its settings and, once the operator has made it, its certificate."""
    until("the injector's certificate", lambda: set(TLS) <= data(release, "tls").keys())
    for name in TLS:
        (directory / name).write_bytes(base64.b64decode(data(release, "tls")[name]))
    text = release.kubectl("get", "configmap", f"{release.name}-injector", "-o", r"jsonpath={.data.injector\.json}")
    metrics = free_port()
    own = {"host": "127.0.0.1", "metricsPort": metrics, "tlsDirectory": str(directory), "drainSeconds": 0}
    (directory / "injector.json").write_text(json.dumps(json.loads(text) | own))
    return os.environ | {
        "PARLEY_INJECTOR_SETTINGS": str(directory / "injector.json"),
        "PARLEY_METRICS_PORT": str(metrics),
    }


def data(release: Release, suffix: str) -> dict[str, str]:
    """Return what is in one of the chart's Secrets, as it is there."""
    secret = json.loads(release.kubectl("get", "secret", f"{release.name}-{suffix}", "-o", "json"))
    return dict(secret.get("data", {}))


@contextmanager
def running(part: str, variables: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run a part's process inside the block, ready from the beginning; yield the root of its health and metrics."""
    command = [sys.executable, "-m", "parley_operator", part]
    url = f"http://127.0.0.1:{variables['PARLEY_METRICS_PORT']}"
    with log.open("wb") as output, subprocess.Popen(command, env=variables, stdout=output, stderr=output) as process:
        try:
            until(f"the {part} is ready", lambda: status(f"{url}/readyz") == READY)
            yield url
        finally:
            process.terminate()


def status(url: str) -> int:
    """Return the status of an answer; raises OSError while nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def probed(release: Release, part: str) -> list[str]:
    """Return the paths that the kubelet would ask a part for: start, life, readiness."""
    deployment = json.loads(release.kubectl("get", "deployment", f"{release.name}-{part}", "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return [container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")]
