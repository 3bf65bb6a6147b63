"""A component that sends through the SDK, and what it is asked."""

from parley_sidecar import providers
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Converse, ConverseRequest, Message, Trace

TYPE = "conversation.openai"
MOUNT = "conversation.openai-sdk"
AZURE_MOUNT = "conversation.openai-azure-sdk"
HELLO = ConverseRequest((Message("user", "hello"),), Trace("1"))


def sdk(http: HttpClient, **settings: str) -> Converse:
    """Return a provider that sends through the SDK."""
    return providers.connect(TYPE, {"transport": "sdk"} | settings, http)
