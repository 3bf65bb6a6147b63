"""What a person sees at start."""

from pathlib import Path

from parley_sidecar.banner import banner
from parley_sidecar.settings import Settings
from tests.sidecar.running import component

SETTINGS = Settings(components=Path("examples/components"), http_port=4000, metrics_port=4001)


def test_each_component_has_a_line_to_try() -> None:
    """And what was left out has a reason."""
    text = banner(SETTINGS, [component("echo")], {"gpt in gpt.yaml": "OPENAI_API_KEY is not set"})

    assert (
        """Parley 0.1.0 on http://localhost:4000, components from examples/components

  echo (conversation.echo)
    curl localhost:4000/v1.0-alpha1/conversation/echo/converse -d '{"inputs": ["hello"]}'

  gpt in gpt.yaml is left out: OPENAI_API_KEY is not set

gRPC, as Dapr's SDKs speak it, on localhost:50001. Metrics on http://localhost:4001/metrics. Ctrl+C ends it.
"""
        == text
    )


def test_a_token_is_asked_for_and_not_shown() -> None:
    """The line to try reads the token from the environment."""
    text = banner(Settings(components=Path("here"), api_token="hush"), [component("echo")], {})

    assert '-H "dapr-api-token: $DAPR_API_TOKEN"' in text
    assert "hush" not in text


def test_without_components_it_says_so() -> None:
    """A person who started in the wrong directory sees it."""
    assert "no component can be used yet" in banner(SETTINGS, [], {})
