"""What every HTTP destination is made of. A connector on this base is two pure functions and what it says of itself.

`requests(events)` maps events to requests, each naming the events it carries, or to `Skip` for an event that is not
sent; `read(request, response)` says what an answer means for each of them, or which request must follow it. Sending,
splitting by count and bytes, halving a refused batch, rates and retries happen here and in `router.delivery`, once. An
event in several requests fares as the worst of them and is sent again whole, so a partner without an idempotency key
may see a part of it twice. kill -9 repeats what was under way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import is_
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from router.destinations.access_token import AccessToken
from router.destinations.base import Connector, Delivery, Exchange, Kind, Maps, Outcome
from router.destinations.http_settings import ApiKey, HttpSettings, PartnerSettings, checked_url
from router.destinations.request import HttpRequest, Skip, fitting, itemized, origin
from router.destinations.response import HttpResponse

if TYPE_CHECKING:
    from router.destinations.client import HttpClient

# All that a connector needs is imported from here.
__all__ = [
    "ApiKey",
    "HttpDestination",
    "HttpRequest",
    "HttpSettings",
    "PartnerSettings",
    "Skip",
    "checked_url",
    "fitting",
    "itemized",
]

_AGENT = "event-router"
_RETRY = frozenset({408, 423, 425, 429, *range(500, 600)}) - {501}
_REFUSED = frozenset({401, 403, *range(300, 400)})  # a redirect: the URL is wrong, not the event
_SEVERITY = (Kind.DELIVERED, Kind.FILTERED, Kind.UNCONFIRMED, Kind.REJECTED, Kind.RETRY, Kind.REFUSED)

log = logging.getLogger(__name__)


class HttpDestination(Connector):
    """Base of HTTP connectors. All a connector writes is pure; only `send` and `check` do I/O."""

    Settings: ClassVar[type[HttpSettings]]
    settings: Any
    maps: ClassVar[Maps] = "calls"
    wait_headers: ClassVar[tuple[str, ...]] = ("retry-after",)  # where the partner says how long to wait, lower case
    default_wait: ClassVar[float | None] = None  # seconds to wait after a 429 that does not say

    def __init__(self, name: str, settings: HttpSettings, timeout: float) -> None:
        super().__init__(name, settings, timeout)
        self.clock: Callable[[], float] = time.time  # a mapping may ask it only to skip what is too old for the partner
        self._access_token = AccessToken(lambda: self.clock())
        self._client: HttpClient | None = None

    async def open(self) -> None:
        # Not with the module: whoever only maps events needs no HTTP library, whose import takes a quarter of a second.
        from router.destinations.client import HttpClient

        if self._client is None:
            self._client = HttpClient(timeout=self.timeout, allow_private=self.settings.allow_private)
        await self._client.open()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    # What a connector writes

    @abstractmethod
    def requests(self, events: Sequence[Delivery]) -> Iterable[HttpRequest | Skip]:
        """The requests for these events (which share a batch key, at most `limits.count`), in the order to be sent.

        Each event is in one request at least, or in a Skip.
        """

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        """One outcome for each event of the request, in order; by default what the status means.

        In place of an outcome, the request that must follow; one that several events wait for is sent once.
        """
        return [self.by_status(request, response)] * len(request.events)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        """Headers that are added as the request goes out, at `now` in seconds since 1970: credentials, signatures."""
        return {}

    def token_request(self) -> HttpRequest | None:
        """The request, without events, that is answered with an OAuth access token; None where the partner has none.

        The token goes out as a Bearer token. It is fetched and kept here, and renewed at its end or after a 401.
        """
        return None

    def dated(self, request: HttpRequest, now: float) -> bytes:
        """The body as it goes out at `now`, in seconds since 1970: for partners that want the time of sending in it."""
        return request.body

    def probe(self) -> HttpRequest | None:
        """A request without events that shows whether the credentials are taken; None where the partner has none."""
        return None

    def read_probe(self, response: HttpResponse) -> Outcome:
        """What the answer to the probe says of the partner; what would reject an event is a fault of the settings."""
        kind = kind_of(response)
        kind = Kind.REFUSED if kind is Kind.REJECTED else kind
        return Outcome(kind, response.code, response.detail, self.wait(response))

    # What it may use

    def by_status(self, request: HttpRequest, response: HttpResponse) -> Outcome:
        """What the status alone means for each event of the request."""
        kind = kind_of(response)
        if kind in (Kind.DELIVERED, Kind.UNCONFIRMED):
            return Outcome(kind, response.code, response.detail)
        shared = len(request.events) > 1 and kind is not Kind.REFUSED
        return Outcome(kind, response.code, response.detail, self.wait(response), shared)

    def wait(self, response: HttpResponse) -> float | None:
        """Seconds to wait, as the partner asks; None where it does not."""
        asked = response.wait(*self.wait_headers)
        return self.default_wait if asked is None and response.status == 429 else asked

    def all_but(self, request: HttpRequest, response: HttpResponse, failed: Mapping[int, Outcome]) -> list[Outcome]:
        """The partner took all events but those at the given positions in the request."""
        taken = Outcome(Kind.DELIVERED, response.code)
        return [failed.get(position, taken) for position in range(len(request.events))]

    def sample(self, request: HttpRequest) -> str:
        """A request's body as samples show it. Override both of these where a body holds secrets of the settings."""
        return request.body.decode(errors="replace")

    def answer_sample(self, response: HttpResponse) -> str:
        """An answer's body as samples show it: a partner may repeat what it was sent."""
        return response.body.decode(errors="replace")

    def shown(self, request: HttpRequest) -> HttpRequest:
        """The request as people may see it: of a URL that the settings give no more than its origin."""
        whole = request.url.startswith("http")
        url = f"{origin(request.url)}/…" if whole else self._address(request)
        return replace(request, url=url, body=self.sample(request).encode())

    # What happens around it

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Requests go out one after the other, for `timeout` seconds; an event that has failed is in no further one."""
        clock = asyncio.get_running_loop().time
        until = clock() + self.timeout
        outcomes: dict[int, Outcome] = {}
        waiting: deque[HttpRequest | Skip] = deque(self.mapped(batch))
        while waiting:
            one = waiting.popleft()
            if isinstance(one, Skip):
                _merge(outcomes, one.event, one.outcome)
            elif not all(_failed(outcomes.get(id(event))) for event in one.events):
                answers = await self._exchange(one) if clock() < until else [_LATE] * len(one.events)
                if not (outcomes or waiting) and _of_all(answers, one, batch):
                    return answers
                following: dict[int, HttpRequest] = {}
                for event, answer in zip(one.events, answers, strict=True):
                    if isinstance(answer, HttpRequest):
                        following[id(answer)] = answer
                    else:
                        _merge(outcomes, event, answer)
                waiting.extendleft(reversed(following.values()))
        return [outcomes.get(id(event), _UNMAPPED) for event in batch]

    async def check(self) -> Outcome | None:
        probe = self.probe()
        return None if probe is None else self.read_probe(await self._ask(probe))

    @classmethod
    def can_check(cls) -> bool:
        return cls.probe is not HttpDestination.probe

    def mapped(self, events: Sequence[Delivery]) -> list[HttpRequest | Skip]:
        """The requests for these events, each within the limits. Pure."""
        fit, out = [], []
        types, most, mapping = self.types, self.limits.event_bytes, self.map or None
        for event in events:
            if event.type not in types:
                out.append(Skip(event, "unsupported_type"))
            elif mapping is not None and not mapping.sends(event.type, event.event):
                out.append(Skip(event, "mapping"))
            elif most is not None and len(event.value) > most:
                out.append(Skip(event, "too_large", keep=True))
            else:
                fit.append(event)
        return [*out, *self._within_limits(fit)]

    def _within_limits(self, events: Sequence[Delivery]) -> list[HttpRequest | Skip]:
        if not events:
            return []
        try:
            made = list(self.requests(events)) if len(events) <= self.limits.count else []
        except Exception:
            if len(events) == 1:
                log.exception("the mapping failed", extra={"destination": self.name})
                return [Skip(events[0], "mapping_failed", keep=True)]
            made = []
        if made and all(isinstance(one, Skip) or self._fits(one) for one in made):
            return made
        if len(events) == 1:
            return [Skip(events[0], "too_large", keep=True)] if made else []
        middle = len(events) // 2
        return [*self._within_limits(events[:middle]), *self._within_limits(events[middle:])]

    def _fits(self, request: HttpRequest) -> bool:
        """One event may weigh more than a request should: there is no smaller one."""
        light = len(request.events) <= 1 or (request.weight or len(request.events)) <= self.limits.count
        return light and len(request.body) <= self.limits.request_bytes

    async def _exchange(self, request: HttpRequest) -> Sequence[Outcome | HttpRequest]:
        response = await self._ask(request)
        try:
            answers = self.read(request, response)
        except Exception:
            log.exception("the answer could not be read", extra={"destination": self.name})
            answers = []
        if len(answers) != len(request.events):
            log.error("%d outcomes were read for %d events", len(answers), len(request.events))
            answers = [self._fallback(request, response)] * len(request.events)
        distinct = {id(answer): answer for answer in answers}  # often one for all events
        sampled = {key: self._with_sample(answer, request, response) for key, answer in distinct.items()}
        return [sampled[id(answer)] for answer in answers]

    async def _ask(self, request: HttpRequest) -> HttpResponse:
        """With an access token where the partner wants one; a token that it refuses is renewed, once."""
        asked = self.token_request()
        if asked is None:
            return await self._transmit(request, self.headers(request, self.clock()))

        async def fetch() -> HttpResponse:
            return await self._transmit(asked, {"User-Agent": _AGENT, **asked.headers})

        refused = ""
        while True:
            token = await self._access_token.get(fetch, refused)
            if isinstance(token, HttpResponse):
                return token
            headers = self.headers(request, self.clock(), token)
            response = await self._transmit(request, headers)
            if response.status != 401 or refused:
                return response
            refused = token

    async def _transmit(self, request: HttpRequest, headers: Mapping[str, str]) -> HttpResponse:
        assert self._client is not None, "open() comes first"
        body = self.dated(request, self.clock())
        return await self._client.request(request.method, self._address(request), body, headers)

    def headers(self, request: HttpRequest, now: float, token: str = "") -> dict[str, str]:
        """All headers of a request that goes out at `now`, with this access token."""
        bearer = {} if self.token_request() is None else {"Authorization": f"Bearer {token}"}
        return {"User-Agent": _AGENT, **request.headers, **bearer, **self.authenticate(request, now)}

    def _address(self, request: HttpRequest) -> str:
        return request.url if request.url.startswith("http") else self.settings.address + request.url

    def _fallback(self, request: HttpRequest, response: HttpResponse) -> Outcome:
        outcome = self.by_status(request, response)
        return Outcome(Kind.UNCONFIRMED, outcome.code) if outcome.kind is Kind.DELIVERED else outcome

    def _with_sample(
        self, answer: Outcome | HttpRequest, request: HttpRequest, response: HttpResponse
    ) -> Outcome | HttpRequest:
        """Header names only, and of the URL only its origin: values and path may be credentials."""
        if isinstance(answer, HttpRequest) or answer.exchange is not None or not _failed(answer, final=True):
            return answer
        count = len(request.events)
        body = self.sample(request) if count == 1 else f"[… {count} events …]"
        head = f"{request.method} {origin(self._address(request))}/…\n{', '.join(sorted(request.headers))}"
        answered = f"{response.code} {response.detail}".rstrip()
        if response.status:
            answered += f"\n\n{self.answer_sample(response)}"
        return _sampled(answer, Exchange(f"{head}\n\n{body}", answered))


_LATE = Outcome(Kind.RETRY, "ETIMEDOUT", "no time was left for this request")
_UNMAPPED = Outcome(Kind.REJECTED, "MAPPING_FAILED", "the mapping does not mention this event")


def kind_of(response: HttpResponse) -> Kind:
    """What a status means, by the rules that hold for partners without rules of their own."""
    if 200 <= response.status < 300:
        return Kind.DELIVERED if response.readable else Kind.UNCONFIRMED
    if response.status in _REFUSED or response.code == "INVALID_SETTINGS":
        return Kind.REFUSED
    if response.status == 0 or response.status in _RETRY:
        return Kind.RETRY
    return Kind.REJECTED


def _failed(outcome: Outcome | None, *, final: bool = False) -> bool:
    """Whether this event needs another attempt, or, with `final`, was not taken."""
    kinds = (Kind.RETRY, Kind.REFUSED, Kind.REJECTED) if final else (Kind.RETRY, Kind.REFUSED)
    return outcome is not None and outcome.kind in kinds


def _of_all(
    answers: Sequence[Outcome | HttpRequest], request: HttpRequest, batch: Sequence[Delivery]
) -> TypeGuard[Sequence[Outcome]]:
    """Whether these are the outcomes of a batch that went out as one request: the usual case."""
    return len(answers) == len(batch) and set(map(type, answers)) == {Outcome} and all(map(is_, request.events, batch))


def _merge(outcomes: dict[int, Outcome], event: Delivery, outcome: Outcome) -> None:
    before = outcomes.get(id(event))
    if before is None or _SEVERITY.index(outcome.kind) > _SEVERITY.index(before.kind):
        outcomes[id(event)] = outcome


def _sampled(outcome: Outcome, exchange: Exchange) -> Outcome:
    return Outcome(outcome.kind, outcome.code, outcome.detail, outcome.retry_after, outcome.shared, exchange)
