"""A provider of the family: a component's settings, a dialect and a target, put together around the HTTP client."""

from collections.abc import Callable

from parley_sidecar.completions import reply, request
from parley_sidecar.completions.dialect import Dialect
from parley_sidecar.completions.settings import CompletionsSettings
from parley_sidecar.completions.stream import Post, deltas
from parley_sidecar.drafts import Draft, begun
from parley_sidecar.faults import OK, fault
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import ConverseRequest, Reply
from parley_sidecar.targets import Headers, Target

UrlOf = Callable[[str, str], str]
"""Make a URL of the API's root and a model."""


def bearer(key: str) -> Headers:
    """Return the headers of a request, with the key as most vendors want it."""
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": "application/json"}


def chat_completions(endpoint: str, _: str) -> str:
    """Return the URL where most vendors answer."""
    return f"{endpoint}/chat/completions"


class CompletionsProvider:
    """A `Converse` that asks one component's vendor."""

    def __init__(
        self,
        settings: CompletionsSettings,
        http: HttpClient,
        dialect: Dialect,
        target: Target | None = None,
        url_of: UrlOf = chat_completions,
    ) -> None:
        """Take what a component's requests have in common; without a target its key goes as a bearer."""
        self._model = settings.model
        self._max_tokens = settings.max_tokens
        self._http = http
        self._dialect = dialect
        self._target = target or Target(settings.endpoint, settings.key.get_secret_value(), bearer)
        self._url_of = url_of

    async def __call__(self, asked: ConverseRequest, /) -> Reply:
        """Ask the vendor, once."""
        endpoint, headers = self._target.of(asked.overrides)
        url = self._url_of(endpoint, asked.overrides.model or self._model)
        body = request.body(asked, self._dialect, self._model, self._max_tokens)
        must_call = not self._dialect.chooses_tools and request.must_call(asked)
        if asked.wants_stream:
            draft = Draft()
            return await begun(deltas(self._http, Post(url, headers, body, must_call), draft), draft)
        answered = await self._http.post(url, headers, body)
        if answered.status != OK:
            raise fault(answered.status, answered.retry_after_s)
        answer = reply.answer(answered.body)
        if must_call:
            reply.expect_call(answer)
        return answer
