"""Scrub: personal data is replaced by tokens before the provider sees it, and comes back before the caller does.

Directly inside `observe`, outside `context` and `cache`: what is stored is made of scrubbed text. Without a mode and
without a flag the request passes untouched. When scrubbing fails, or the store that keeps a room's numbers, the request
fails.
"""

from dataclasses import dataclass

from parley_crds.resource import Privacy
from parley_sidecar.errors import PersonalData
from parley_sidecar.model import Answer, Converse, ConverseRequest, Reply
from parley_sidecar.pii.answering import Masking
from parley_sidecar.pii.counted import CountPii, Direction
from parley_sidecar.pii.finder import Finder
from parley_sidecar.pii.hiding import Prompt, kinds_of, masked, numbered, read
from parley_sidecar.pii.restore import Restorer
from parley_sidecar.pii.streams import MaskedStream, RestoredStream
from parley_sidecar.pii.vault import NumbersOf, RequestNumbers, Vault


@dataclass(frozen=True, slots=True)
class Hiding:
    """What one component hides, and where the numbers of its rooms are."""

    privacy: Privacy
    finder: Finder
    numbers_of: NumbersOf | None = None
    """None where it keeps no rooms: then each request has numbers of its own."""


class ScrubLayer:
    """Hide what the component's mode and the request's flags say, and put back what may come back."""

    def __init__(self, inner: Converse, hiding: Hiding, count: CountPii) -> None:
        self._inner = inner
        self._hiding = hiding
        self._mode = hiding.privacy.mode
        self._masks_answers = hiding.privacy.answers == "mask"
        self._kinds = kinds_of(hiding.privacy)
        self._count = count

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask the inner one with a scrubbed request; return a reply that the caller may see.

        Raises:
            PersonalData: when the component blocks it; the message names kinds, never values.
            StoreUnavailable: when the numbers of a room cannot be had.
        """
        vault: Vault | None = None
        if self._mode == "reversible":
            request, vault = await self._numbered(request)
        elif self._mode == "block":
            await self._refuse(request)
        elif self._mode == "mask" or _is_marked(request):
            request = await self._masked(request)
        reply = await self._inner(request)
        if vault is None and not request.scrub_answer and not self._masks_answers:
            return reply
        return await self._shown(reply, request, vault)

    async def _numbered(self, request: ConverseRequest) -> tuple[ConverseRequest, Vault]:
        numbers_of, room = self._hiding.numbers_of, request.context_id
        numbers = RequestNumbers() if room is None or numbers_of is None else numbers_of(room)
        finder = self._hiding.finder
        prompt = await read(request, finder, whole=True)
        hidden, vault = await numbered(prompt, finder, numbers, self._kinds)
        self._report("prompt", prompt)
        return hidden, vault

    async def _masked(self, request: ConverseRequest) -> ConverseRequest:
        finder = self._hiding.finder
        prompt = await read(request, finder, whole=self._mode == "mask")
        hidden = await masked(prompt, finder)
        self._report("prompt", prompt)
        return hidden

    async def _refuse(self, request: ConverseRequest) -> None:
        prompt = await read(request, self._hiding.finder, whole=True)
        self._report("blocked", prompt)
        if kinds := prompt.counts():
            raise PersonalData(f"this component refuses personal data, and here is some: {', '.join(sorted(kinds))}")

    def _report(self, direction: Direction, prompt: Prompt) -> None:
        for kind, times in prompt.counts().items():
            self._count(direction, kind, times)

    async def _shown(self, reply: Reply, request: ConverseRequest, vault: Vault | None) -> Reply:
        """Return the reply as its caller may see it."""
        if request.scrub_answer or self._masks_answers:
            masking = Masking(self._hiding.finder, vault, restores=not request.scrub_answer)
            if not isinstance(reply, Answer):
                return MaskedStream(reply, masking, self._count)
            answer = await masking.answer(reply)
            masking.report(self._count)
            return answer
        if vault is None or not vault.restored:
            return reply
        restorer = Restorer(vault.restored)
        if not isinstance(reply, Answer):
            return RestoredStream(reply, restorer, self._count)
        answer = restorer.answer(reply, restorer.arguments)
        restorer.report(self._count)
        return answer


def _is_marked(request: ConverseRequest) -> bool:
    """Say whether the caller wants something of it hidden."""
    for message in request.messages:  # noqa: SIM110 - every request comes by, and a generator costs more than the rest
        if message.scrub:
            return True
    return False
