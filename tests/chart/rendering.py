"""Renders the chart as its users do, with the pinned helm, for the tests beside it."""

import functools
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster import settings
from e2e.cluster.programs import Programs

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/parley"
NAMESPACE = "parley-system"
Manifest = dict[str, Any]

VALUE_SETS = {
    "default": (),
    "ha": (CHART / "values-ha.yaml",),
    "namespaced": (ROOT / "tests/chart/values/namespaced.yaml",),
    "assigned-ids": (ROOT / "tests/chart/values/assigned-ids.yaml",),
    "cert-manager": (ROOT / "tests/chart/values/cert-manager.yaml",),
    "small": (CHART / "ci/small-values.yaml",),
    "opted-in": (CHART / "ci/opted-in-values.yaml",),
}
"""Values files by the name of their golden render."""


@functools.cache
def helm() -> Path:
    """Return the pinned helm, built on first use."""
    programs = Programs.of(settings())
    programs.build(["helm"])
    return programs.path("helm")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm; its exit status is for the caller to judge."""
    return subprocess.run([helm(), *arguments], text=True, capture_output=True, check=False)


@functools.cache
def rendered_text(*flags: str, release: str = "parley") -> str:
    """Render the chart without the CRD, which is generated and tested elsewhere."""
    place = ("--namespace", NAMESPACE, "--kube-version", "1.36.0", "--set", "crds.enabled=false")
    done = run("template", release, str(CHART), *place, *flags)
    assert not done.returncode, done.stderr
    return done.stdout


def rendered(*flags: str, release: str = "parley") -> list[Manifest]:
    """Render the chart and read the manifests."""
    return list(manifests(rendered_text(*flags, release=release)))


def rendered_set(name: str) -> list[Manifest]:
    """Render one of the value sets and read the manifests."""
    return rendered(*files(VALUE_SETS[name]))


def files(paths: Iterable[Path]) -> list[str]:
    """Return helm's flags for values files."""
    return [flag for path in paths for flag in ("--values", str(path))]


def manifests(text: str) -> Iterator[Manifest]:
    """Read the documents that are not empty."""
    return (document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document)


def one(documents: Iterable[Manifest], kind: str, name: str) -> Manifest:
    """Pick the one object of that kind and name."""
    (found,) = (each for each in documents if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pods(documents: Iterable[Manifest]) -> dict[str, Manifest]:
    """Return the pod specs of all Deployments by the Deployment's name."""
    deployments = (each for each in documents if each["kind"] == "Deployment")
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in deployments}


def container(documents: list[Manifest], part: str) -> dict[str, Any]:
    """Return the only container of a part's pod."""
    (found,) = pods(documents)[f"parley-{part}"]["containers"]
    return dict(found)


def variables(documents: list[Manifest]) -> dict[str, str | None]:
    """Return the operator's environment; None where a value comes from the pod."""
    return {each["name"]: each.get("value") for each in container(documents, "operator")["env"]}
