"""Health: which endings of a request say something of the provider, and what is told of them."""

import pytest

from parley_crds.stream import BREAKER_STATES, PROVIDER_FAULTS, ProviderHealth
from parley_sidecar.errors import (
    CircuitOpen,
    DeadlinePassed,
    InvalidParameters,
    Overloaded,
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    ToolNotCalled,
)
from parley_sidecar.instruments import Value
from parley_sidecar.layers.breaker import State
from parley_sidecar.layers.health import FAULTS, Health, HealthLayer
from parley_sidecar.model import Answer, Overrides
from tests.sidecar.layers.inner import ANSWER, Act, Scripted, Streaming, asking, read, streamed

DOWN = ProviderUnavailable("the provider answered with status 503")


async def told_after(*acts: Act, overrides: Overrides | None = None) -> str:
    """Ask once for each act; return the last error that is told then."""
    health = Health()
    layer = HealthLayer(Scripted(*acts), health)
    for _ in acts:
        try:
            reply = await layer(asking(overrides=overrides))
            if not isinstance(reply, Answer):
                await read(reply)
        except ParleyError:
            continue
    return health.told().last_error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ProviderGarbled(""), "garbled"),
        (ProviderRefused(""), "refused"),
        (ProviderTimeout(""), "timeout"),
        (ProviderUnavailable(""), "unavailable"),
        (RateLimited(""), "rate_limited"),
        (CircuitOpen(""), ""),
        (DeadlinePassed(""), ""),
        (InvalidParameters(""), ""),
        (Overloaded(""), ""),
        (ToolNotCalled(""), ""),
    ],
)
async def test_only_the_providers_own_faults_are_told(error: ParleyError, told: str) -> None:
    """A caller's fault, our own limit and a breaker that is open say nothing new of the provider."""
    assert told == await told_after(error)
    assert told or await told_after(DOWN, error) == "unavailable"


async def test_an_answer_clears_it() -> None:
    """The newest fault is told, until an answer or a stream's end comes."""
    assert "refused" == await told_after(DOWN, ProviderRefused(""))
    assert "" == await told_after(DOWN, ANSWER)
    assert "" == await told_after(DOWN, Streaming("h", "i"))
    assert "unavailable" == await told_after(ANSWER, Streaming("h", DOWN))


async def test_a_stream_that_is_left_says_nothing() -> None:
    """The caller had enough; what was told before stays."""
    health = Health()
    layer = HealthLayer(Scripted(DOWN, Streaming("h", "i")), health)
    with pytest.raises(ProviderUnavailable):
        await layer(asking())
    await streamed(await layer(asking())).aclose()

    assert "unavailable" == health.told().last_error


@pytest.mark.parametrize("overrides", [Overrides(key="sk-own"), Overrides(endpoint="http://own", key="sk-own")])
async def test_a_key_or_an_endpoint_of_ones_own_says_nothing(overrides: Overrides) -> None:
    """It is another provider, or another account, than the component's."""
    assert "" == await told_after(DOWN, overrides=overrides)
    assert "unavailable" == await told_after(DOWN, overrides=Overrides(model="own"))


@pytest.mark.parametrize("state", State)
def test_the_breakers_state_is_told_in_words(state: State) -> None:
    """Each state of the breaker has its word in the contract; without a breaker it is closed."""
    shown = Value()
    shown.value = state

    assert ProviderHealth(breaker=state.name.lower()) == Health(shown).told()
    assert state.name.lower() in BREAKER_STATES
    assert ProviderHealth() == Health().told()


def test_the_contract_has_a_word_for_each_fault() -> None:
    """The operator counts what it knows by name: no class of ours may be one that it does not know."""
    assert set(PROVIDER_FAULTS) == {fault.face.reason for fault in FAULTS}
