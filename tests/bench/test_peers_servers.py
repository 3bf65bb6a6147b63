"""The peers' configurations, and what each is asked."""

from pathlib import Path

import msgspec
import pytest
import yaml

from bench.peers.kinds import ASKS_STANDIN, Ask, GrpcAsk, Kind, conversed, same
from bench.peers.servers import PEERS, Peer, Place, Served, components, ferro_config, litellm_config
from bench.rows import PROMPT
from parley_crds.checks import Problem
from parley_crds.manifests import parse
from parley_sidecar.rpc import ai_pb2

PLACE = Place(Path("/installed"), Path("/own"), 8000, 6379)


def served(name: str) -> list[Served]:
    """Return a peer's servers."""
    return list(next(peer for peer in PEERS if peer.name == name).served(PLACE))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_can_be_started_and_asked(peer: Peer) -> None:
    """Its first server passes requests through, each has a port and files of its own, and no kind is asked twice."""
    servers = peer.served(PLACE)

    assert ASKS_STANDIN & set(servers[0].asks)
    assert len(servers) == len({server.port for server in servers}) == len({server.name for server in servers})
    assert sum(len(server.asks) for server in servers) == len({kind for server in servers for kind in server.asks})


def test_sidecar_and_daprd_have_the_same_components() -> None:
    """Every component that a request names is there, and the sidecar reads the form that daprd has."""
    documents = list(yaml.safe_load_all(components("http://127.0.0.1:8000")))
    names = [document["metadata"]["name"] for document in documents]
    paths = {
        ask.path.split("/")[3]
        for name in ("parley", "daprd")
        for ask in served(name)[0].asks.values()
        if isinstance(ask, Ask) and "converse" in ask.path
    }

    assert ["plain", "near", "far", "flow", "flight", "echo"] == names
    assert paths <= set(names)
    assert not [parsed for parsed in map(parse, documents) if isinstance(parsed, Problem)]


def test_litellm_has_a_cache_only_where_it_is_asked_for_one() -> None:
    """Without parameters of a cache there is no word of one."""
    plain, cached = (yaml.safe_load(litellm_config("http://s", cache)) for cache in ({}, {"type": "local"}))

    assert {} == plain["litellm_settings"]
    assert {"cache": True, "cache_params": {"type": "local"}} == cached["litellm_settings"]
    assert "http://s/v1" == plain["model_list"][0]["litellm_params"]["api_base"]


def test_ferros_cache_looks_up_before_and_keeps_after() -> None:
    """Both stages need the plugin; without a cache there is none."""
    plain, cached = (yaml.safe_load(ferro_config(is_cached=is_cached)) for is_cached in (False, True))

    assert [] == plain["plugins"]
    assert ["before_request", "after_request"] == [plugin["stage"] for plugin in cached["plugins"]]


def test_portkey_is_told_with_each_request_where_to_go() -> None:
    """Its headers reach the load generator's job."""
    job = served("portkey")[0].first.job(1, 1, 1)

    assert "http://127.0.0.1:8000/v1" == job.headers["x-portkey-custom-host"]


def test_a_stream_is_judged_by_its_events_and_its_end() -> None:
    """It must have all its pieces, and the end that OpenAI's form gives it."""
    ask = served("ferro")[0].asks[Kind.STREAM]

    assert isinstance(ask, Ask)
    job = ask.job(1, 1, 1)
    assert (20, "[DONE]") == (job.events, job.ending)
    assert msgspec.json.decode(job.body)["stream"] is True


def test_a_call_by_grpc_goes_to_a_port_of_its_own() -> None:
    """The message names the component; its prompt has the place for the number."""
    server = served("daprd")[0]
    ask = server.asks[Kind.GRPC_ECHO]

    assert isinstance(ask, GrpcAsk)
    assert str(ask.job(server.port, 1, 1).port) in server.command
    assert ask.port != server.port
    assert "echo" == (asked := ai_pb2.ConversationRequestAlpha2.FromString(ask.message)).name
    assert PROMPT == asked.inputs[0].messages[0].of_user.content[0].text


def test_equal_requests_have_one_prompt() -> None:
    """Whatever their number, the place in the prompt has the same digits."""
    assert 1 == same(conversed("plain")).job(1, 100, 1).distinct
