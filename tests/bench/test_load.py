"""The load generator: the real process against the real stand-in, and what it does with answers that fail."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.cluster.flood import review
from bench.job import Job
from bench.load import quantile
from bench.processes import BenchError, Load, Starter
from bench.rows import BY_NAME, DIRECT, completion
from tests.conftest import Standin, free_port
from tests.injector.process import running
from tests.injector.world import Authority

ROW = BY_NAME[DIRECT]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """A running load generator, on any core."""
    with Starter(tmp_path, tmp_path).load(range(4096)) as running:
        yield running


def job(port: int, body: str = ROW.body, **more: object) -> Job:
    """Return a job for the stand-in."""
    asked = Job(port=port, path=ROW.path, body=body, connections=4, each=5, expected="stand-in: ")
    return msgspec.structs.replace(asked, **more)


def port_of(standin: Standin) -> int:
    """Return the stand-in's port."""
    return int(standin.url.rpartition(":")[2])


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_quantiles_are_values_that_occurred(share: float, value: float) -> None:
    """A quantile is the nearest value that so many do not exceed."""
    assert value == quantile(range(1, 101), share)


def test_a_job_is_done(standin: Standin, load: Load) -> None:
    """Every connection asks its number of times, and the figures are of those requests."""
    before = standin.count()
    result = load.do(job(port_of(standin)))

    assert (20, "", 20) == (result.requests, result.failure, standin.count() - before)
    assert 0 < result.p50_us <= result.p99_us <= result.duration_s * 1e6


def test_prompts_are_new_or_come_round_again(standin: Standin, load: Load) -> None:
    """The number in the prompt goes on from the first, and begins anew after `distinct`."""
    load.do(job(port_of(standin), connections=1, each=3, first=7))
    new = standin.last()["body"]["messages"][0]["content"][:8]
    load.do(job(port_of(standin), connections=1, each=3, first=7, distinct=4))
    again = standin.last()["body"]["messages"][0]["content"][:8]

    assert ("00000009", "00000001") == (new, again)


@pytest.mark.parametrize(
    ("model", "complaint"),
    [("status-500", "status 500"), ("garbage", "is not in the answer"), ("cut", "the connection was lost")],
)
def test_a_failing_request_fails_the_job(standin: Standin, load: Load, model: str, complaint: str) -> None:
    """An answer that is not as expected is an error that says so; there are no figures."""
    body = ROW.body.replace('"bench"', f'"{model}"')

    with pytest.raises(BenchError, match=complaint):
        load.do(job(port_of(standin), body))


def test_no_server_fails_the_job(load: Load) -> None:
    """A port that nobody listens on is an error, and the generator takes the next job."""
    with pytest.raises(BenchError, match="ConnectionRefusedError"):
        load.do(job(free_port()))
    with pytest.raises(BenchError, match="ConnectionRefusedError"):
        load.do(job(free_port()))


def test_ports_take_turns(standin: Standin, load: Load) -> None:
    """Connections go to the other ports too: one that nobody listens on fails the job."""
    before = standin.count()
    load.do(job(port_of(standin), others=[port_of(standin)]))

    assert 20 == standin.count() - before
    with pytest.raises(BenchError, match="ConnectionRefusedError"):
        load.do(job(port_of(standin), others=[free_port()]))


def test_a_pace_is_kept(standin: Standin, load: Load) -> None:
    """With a rate the requests of all connections together are spread over the time that it means."""
    result = load.do(job(port_of(standin), per_s=200.0))

    assert result.duration_s >= 19 / 200
    assert 20 == result.requests


def test_a_path_is_fetched(standin: Standin, load: Load) -> None:
    """A job without a body gets its path."""
    result = load.do(Job(port=port_of(standin), path="/count", each=2, expected='"count"'))

    assert 2 == result.requests


def test_a_job_goes_on_by_itself(standin: Standin, load: Load) -> None:
    """What was begun is waited for later."""
    asked = job(port_of(standin))
    load.begin(asked)

    assert 20 == load.end(asked).requests


STREAMED = completion("pieces-5-1", stream=True)


def test_streams_are_timed(standin: Standin, load: Load) -> None:
    """The first event and the gaps between those that a job asks for are told; the pause shows in the gaps."""
    result = load.do(job(port_of(standin), STREAMED, events=5, ending="[DONE]"))

    assert result.stream
    assert 0 < result.stream.first_p50_us <= result.stream.first_p99_us < result.max_us
    assert 500 < result.stream.gap_p50_us <= result.stream.gap_p99_us


@pytest.mark.parametrize(
    ("events", "ending", "complaint"), [(9, "[DONE]", "7 events instead of 9"), (5, "error", "not at the stream's end")]
)
def test_a_stream_that_is_not_whole_fails_the_job(
    standin: Standin, load: Load, events: int, ending: str, complaint: str
) -> None:
    """Too few events, or another end than the one expected, are an error."""
    with pytest.raises(BenchError, match=complaint):
        load.do(job(port_of(standin), STREAMED, events=events, ending=ending))


def test_a_job_over_tls(tmp_path: Path, load: Load) -> None:
    """With authorities the server is asked over TLS; one whose certificate they did not sign is not asked."""
    with running(tmp_path) as injector:
        trusted, foreign = tmp_path / "ca.pem", tmp_path / "other.pem"
        trusted.write_text(injector.authority.pem)
        foreign.write_text(Authority("other").pem)
        asked = job(injector.port, review(), path="/inject", expected='"allowed":true', authorities=str(trusted))
        result = load.do(asked)
        with pytest.raises(BenchError, match="certificate"):
            load.do(msgspec.structs.replace(asked, authorities=str(foreign)))

    assert 20 == result.requests
