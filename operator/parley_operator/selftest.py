"""`helm test`: what a new installation must be able to do, tried with a component and a pod that never runs.

A component that needs no provider gets Ready, and a pod that asks for a sidecar would get one: it is created as a dry
run. Every step is printed. Needs rights on components and to create pods, in the namespace of the trial alone.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import uvloop

from parley_crds import names
from parley_operator import kube
from parley_operator.errors import Conflict, NotFound, OperatorError, RetryMayHelp
from parley_operator.kube import Kube, Object

APP_ID: Final = "parley-selftest"
LIMIT_S: Final = 60.0
PAUSE_S: Final = 0.5


class TrialFailed(Exception):
    """The installation does not do its work; the sentence says what is missing."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Where it is tried, under which name, and how long each step may take, in seconds."""

    namespace: str
    name: str
    limit_s: float = LIMIT_S


def component(trial: Trial) -> Object:
    """Return a component that needs neither provider nor Secret, and that no application may use."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"namespace": trial.namespace, "name": trial.name},
        "spec": {"type": f"{names.TYPE_PREFIX}echo", "version": "v1"},
        "scopes": [APP_ID],
    }


def pod(trial: Trial) -> Object:
    """Return a pod that asks for a sidecar, and that Pod Security "restricted" admits."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    amounts = {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}}
    container = {"name": "app", "image": "none", "securityContext": security, "resources": amounts}
    annotations = {names.ENABLED_ANNOTATION: "true", names.APP_ID_ANNOTATION: APP_ID}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": trial.namespace, "name": trial.name, "annotations": annotations},
        "spec": {"containers": [container]},
    }


def lacks(document: Object) -> str:
    """Say what a component still lacks; nothing once its present generation is Ready. Pure."""
    conditions = document.get("status", {}).get("conditions") or []
    ready: dict[str, Any] = next((each for each in conditions if each["type"] == "Ready"), {})
    if ready.get("observedGeneration") != document["metadata"]["generation"]:
        return "no operator has judged it"
    return "" if ready["status"] == "True" else str(ready["reason"])


def misses(admitted: Object) -> str:
    """Say why an admitted pod has no sidecar; nothing if it has one. Pure."""
    spec = admitted["spec"]
    if any(each["name"] == names.SIDECAR_CONTAINER for each in (*spec.get("initContainers", ()), *spec["containers"])):
        return ""
    said = admitted["metadata"].get("annotations", {}).get(names.INJECTION_ANNOTATION)
    return f"the injector says {said}" if said else "admitted without one: no injector answered, or none was asked"


async def run(api: Kube, trial: Trial, say: Callable[[str], None] = print) -> None:
    """Try both, and remove the component whatever comes of it; raises TrialFailed or `errors.OperatorError`."""
    path = kube.component(trial.namespace, trial.name)
    try:
        with suppress(Conflict):  # one that an earlier trial left will do
            await api.create(kube.components(trial.namespace), component(trial))
        say(f"component {trial.namespace}/{trial.name} created")

        async def look_at_component() -> str:
            return lacks(await api.get(path))

        await _until("the component is Ready", trial, look_at_component)
        say("component is Ready")

        async def try_pod() -> str:
            return misses(await api.create(kube.pods(trial.namespace), pod(trial), query={"dryRun": "All"}))

        await _until("a pod gets its sidecar", trial, try_pod)
        say("pod gets its sidecar")
    finally:
        say(await _removed(api, path))


async def _removed(api: Kube, path: str) -> str:
    """Remove the component and say so; a fault here must not hide what was found."""
    try:
        with suppress(NotFound):
            await api.delete(path)
    except OperatorError as error:
        return f"component not removed: {error}"
    return "component removed"


async def _until(what: str, trial: Trial, look: Callable[[], Awaitable[str]]) -> None:
    """Look until nothing is missing any more; what the API server cannot say now, it may say later."""
    end = time.monotonic() + trial.limit_s
    while missing := await _seen(look):
        if time.monotonic() > end:
            raise TrialFailed(f"not within {trial.limit_s:.0f} s: {what} ({missing})")
        await asyncio.sleep(PAUSE_S)


async def _seen(look: Callable[[], Awaitable[str]]) -> str:
    try:
        return await look()
    except RetryMayHelp as error:
        return str(error)


async def _main(trial: Trial) -> None:
    api = await Kube.connect()
    try:
        await run(api, trial)
    finally:
        await api.aclose()


def main(words: Sequence[str]) -> None:
    """Run the trial; the exit status says whether it came out well."""
    parser = argparse.ArgumentParser(prog="parley_operator selftest", description=__doc__)
    parser.add_argument("--namespace", required=True, help="where to try it: any that Parley serves, not its own")
    parser.add_argument("--name", default=APP_ID, help="of the component and of the pod")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for each step")
    arguments = parser.parse_args(words)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main(Trial(arguments.namespace, arguments.name, arguments.limit)))
    except (TrialFailed, OperatorError) as error:
        raise SystemExit(f"failed: {error}") from error
