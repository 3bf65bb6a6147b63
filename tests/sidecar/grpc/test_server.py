"""The gRPC server: its guard, health, reflection and ports."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from parley_sidecar.command_error import CommandError
from parley_sidecar.door import Door
from parley_sidecar.grpc_calls import SERVICE
from parley_sidecar.grpc_server import REFLECTION, SERVICES
from parley_sidecar.grpc_start import free_addresses
from tests.conftest import free_port
from tests.sidecar.grpc.calling import ALPHA1, HELLO, METADATA, Caller, calling, serving
from tests.sidecar.running import component, sidecar

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
ASKS = {
    "services": reflection_pb2.ServerReflectionRequest(list_services=""),
    "file": reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
}


def locked() -> Door:
    """Return a door with two valid tokens."""
    return Door("shop", api_tokens=("t-1", "t-2"))


async def reflected(caller: Caller, name: str, *asks: reflection_pb2.ServerReflectionRequest, **options: Any) -> Any:
    """Ask one of the reflection services, one question after the other."""
    call = caller.channel.stream_stream(
        f"/{name}/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )

    async def questions() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        for ask in asks:
            yield ask

    return [answer async for answer in call(questions(), **options)]


def stub(caller: Caller) -> Any:
    """Return a client of the health service."""
    return health_pb2_grpc.HealthStub(caller.channel)


async def health(caller: Caller, service: str = "", **options: Any) -> int:
    """Ask for the health of a service."""
    request = health_pb2.HealthCheckRequest(service=service)
    return int((await stub(caller).Check(request, **options)).status)


@pytest.mark.parametrize("token", ["t-1", "t-2"])
async def test_either_token_lets_in(token: str) -> None:
    """So that one can replace the other."""
    async with calling(door=locked()) as caller:
        reply = await caller.call(ALPHA1, HELLO, metadata=(("dapr-api-token", token),))

    assert "hello" == reply.message.outputs[0].result


@pytest.mark.parametrize("metadata", [(), (("dapr-api-token", "t-3"),), (("dapr-api-token-bin", b"t-1"),)])
async def test_without_a_valid_token_nobody_comes_in(metadata: Any) -> None:
    """Not to Dapr's methods, nor to health and reflection, nor to methods that are not there: as in Dapr."""
    async with calling(door=locked()) as caller:
        refusals = [await caller.refused(method, metadata=metadata) for method in (ALPHA1, METADATA)]
        codes = []
        for asked in (
            health(caller, metadata=metadata),
            reflected(caller, REFLECTION[0], ASKS["services"], metadata=metadata),
            caller.send("/acme.Service/Method", b"", metadata=metadata),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as told:
                await asked
            codes.append(told.value.code().name)

    assert {"UNAUTHENTICATED"} == {*codes, *(refusal.code for refusal in refusals)}
    assert ("invalid api token", "unauthorized") == (refusals[0].details, refusals[0].metadata["parley-reason"])
    assert 0 == caller.sidecar.door.traffic.started


@pytest.mark.parametrize("name", REFLECTION)
async def test_reflection_tells_the_services(name: str) -> None:
    """Under its newer and its older name: the .NET SDK and tools look for Dapr's methods there."""
    async with calling() as caller:
        services, file = await reflected(caller, name, *ASKS.values())

    assert set(SERVICES) == {service.name for service in services.list_services_response.service}
    assert any(b"ConverseAlpha2" in proto for proto in file.file_descriptor_response.file_descriptor_proto)


async def test_health_is_told_until_nothing_is_taken_any_more() -> None:
    """Overall and of Dapr's service; a watcher hears of the change."""
    async with calling() as caller:
        before = [await health(caller), await health(caller, SERVICE)]
        watch = stub(caller).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        heard = [(await watch.read()).status]
        await caller.server.refuse()
        heard.append((await watch.read()).status)
        after = [await health(caller), await health(caller, SERVICE)]
        watch.cancel()

    assert [SERVING, SERVING] == before
    assert [SERVING, NOT_SERVING] == heard
    assert [NOT_SERVING, NOT_SERVING] == after


async def test_a_port_that_was_taken_meanwhile_is_told() -> None:
    """Another gRPC server does not share it without a word."""
    async with sidecar(component()) as running, serving(running) as one, serving(running) as other:
        with pytest.raises(CommandError, match="choose another port with --grpc-port"):
            other.server.listen([one.address], "--grpc-port")


def test_free_addresses_are_those_of_loopback() -> None:
    """IPv4 and, where there is such an address, IPv6; none at all for port 0."""
    port = free_port()
    addresses = free_addresses(port)

    assert f"127.0.0.1:{port}" == addresses[0]
    assert {f"[::1]:{port}"} >= set(addresses[1:])
    assert () == free_addresses(0)
