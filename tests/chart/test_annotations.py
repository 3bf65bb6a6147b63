"""What Chart.yaml tells a catalogue of charts is true of the chart."""

from typing import Any

import pytest
import yaml

from parley_crds import names
from parley_crds.crd import definition
from tests.chart.rendering import CHART, one, pods, rendered

pytestmark = pytest.mark.control_plane  # helm is built with the control plane's programs

ANNOTATIONS: dict[str, str] = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["annotations"]


def annotation(name: str) -> Any:
    """Read an annotation that is itself YAML."""
    return yaml.safe_load(ANNOTATIONS[f"artifacthub.io/{name}"])


def test_the_images_are_those_of_the_default_values() -> None:
    """A scanner that reads the annotation looks at what runs."""
    documents = rendered()
    injector = one(documents, "ConfigMap", "parley-injector")["data"]["injector.json"]
    running = {each["image"] for spec in pods(documents).values() for each in spec["containers"]}

    assert running | {yaml.safe_load(injector)["image"]} == {each["image"] for each in annotation("images")}


def test_the_crd_is_the_one_that_is_installed() -> None:
    """Kind, version and name are the CRD's."""
    ((kind, version, name),) = ((each["kind"], each["version"], each["name"]) for each in annotation("crds"))
    crd = definition()

    assert (crd["spec"]["names"]["kind"], names.VERSION, crd["metadata"]["name"]) == (kind, version, name)
