"""Which ports the sidecar gets."""

from typing import Any

import pytest

from parley_operator.injector.options import read_options
from parley_operator.injector.ports import Ports, choose_ports
from tests.injector.world import ENABLED, container, pod, view


def chosen(document: dict[str, Any]) -> Ports | None:
    """Return the ports for a pod, as its annotations ask."""
    seen = view(document)
    return choose_ports(seen, read_options(seen.annotations))


def declaring(*ports: int, **fields: Any) -> dict[str, Any]:
    """Return a pod with a container that declares ports."""
    return pod(containers=[container(ports=[{"containerPort": port, **fields} for port in ports])])


def test_the_defaults() -> None:
    """Dapr's two, and the one of OpenTelemetry's exporter."""
    assert Ports(3500, 50001, 9464) == chosen(pod())


def test_the_metrics_port_moves_to_the_next_free_one() -> None:
    """Nobody has it in the application's code."""
    assert Ports(3500, 50001, 9466) == chosen(declaring(9464, 9465))


def test_init_containers_count() -> None:
    """A native sidecar of someone else runs beside ours."""
    assert Ports(3500, 50001, 9465) == chosen(pod(initContainers=[container("x", ports=[{"containerPort": 9464}])]))


@pytest.mark.parametrize("port", [3500, 50001])
def test_the_api_ports_do_not_move(port: int) -> None:
    """Applications have them in their code."""
    assert chosen(declaring(port)) is None


def test_a_taken_port_can_be_annotated_away() -> None:
    """The owner chooses another."""
    document = declaring(3500)
    document["metadata"]["annotations"] = {**ENABLED, "parley.dev/http-port": "9464"}

    assert Ports(9464, 50001, 9465) == chosen(document)


def test_grpc_can_be_off() -> None:
    """Then its port is free for others, and a port that a container forgot to number is no conflict."""
    document = pod(containers=[container(ports=[{"containerPort": 50001}, {"name": "odd"}])])
    document["metadata"]["annotations"] = {**ENABLED, "parley.dev/grpc-port": "0"}

    assert Ports(3500, 0, 9464) == chosen(document)


def test_an_annotated_metrics_port_does_not_move() -> None:
    """Whoever annotates it scrapes it there."""
    document = declaring(9999)
    document["metadata"]["annotations"] = {**ENABLED, "parley.dev/metrics-port": "9999"}

    assert chosen(document) is None


def test_another_protocol_is_another_port() -> None:
    """UDP and TCP ports do not collide; without a protocol it is TCP."""
    assert Ports(3500, 50001, 9464) == chosen(declaring(3500, 9464, protocol="UDP"))
    assert chosen(declaring(3500, protocol=None)) is None


def test_daprs_ports_are_taken_where_dapr_is_to_come() -> None:
    """Its sidecar may be added after us; then only its annotation tells."""
    ports = {"parley.dev/http-port": "9090", "parley.dev/grpc-port": "50100"}

    assert chosen(pod({**ENABLED, "dapr.io/enabled": "true", **ports})) is None
    assert Ports(9090, 50100, 9464) == chosen(pod({**ENABLED, **ports}))
