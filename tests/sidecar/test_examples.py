"""The example manifests: every one passes the checks, and those that a laptop needs work there."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from parley_crds import names
from parley_sidecar.checking import check_files
from parley_sidecar.registry import Registry
from parley_sidecar.sources.directory import DirectorySource
from parley_sidecar.sources.judgement import Place
from tests.sidecar.running import surroundings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COMPONENTS = sorted((EXAMPLES / "components").glob("*.yaml"))


@pytest.mark.parametrize("path", [*COMPONENTS, EXAMPLES / "kubernetes/component.yaml"], ids=lambda path: path.name)
def test_every_component_passes_the_checks(path: Path) -> None:
    """Not even a warning is in what people copy."""
    lines = [line for line, _ in check_files([str(path)], io.StringIO())]

    assert lines
    assert all(line.endswith(": ok") for line in lines)


@pytest.mark.parametrize(
    ("environ", "names_", "left_out"),
    [
        ({}, ("dapr-echo", "echo"), ["gpt in gpt.yaml"]),
        ({"OPENAI_API_KEY": "sk-1"}, ("dapr-echo", "echo", "gpt"), []),
    ],
)
async def test_the_laptop_examples_load(environ: dict[str, str], names_: tuple[str, ...], left_out: list[str]) -> None:
    """The echoes always; gpt once its key is in the environment, until then there is a line that names the variable."""
    async with surroundings() as shared:
        registry = Registry(replace(shared, app_id="local", environ=environ))
        source = DirectorySource(EXAMPLES / "components", None, Place("local", "default"), registry)
        await source.start()

        assert (names_, left_out) == (registry.names(), list(source.left_out))
        assert all("OPENAI_API_KEY" in reason for reason in source.left_out.values())


def test_the_deployment_opts_in() -> None:
    """The two annotations are in the pod template, and the component's scope admits that application."""
    deployment = yaml.safe_load((EXAMPLES / "kubernetes/deployment.yaml").read_text())
    component = yaml.safe_load((EXAMPLES / "kubernetes/component.yaml").read_text())
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]

    assert {names.ENABLED_ANNOTATION: "true", names.APP_ID_ANNOTATION: "hello"} == annotations
    assert ["hello"] == component["scopes"]
    assert "hello" == deployment["metadata"]["name"]
