"""HTTP: any partner without a connector of its own. URL, headers and body are templates in the topology.

`body` is JSON in which `{path: …}`, `{template: …}`, `{first: …}`, `{each: …, map: …}` and `as: …` take values of the
event; left out, it is the whole event. `json` and `form` are a request for each event, `ndjson` and `array` carry those
of a batch whose URL and headers are the same. An event that lacks a value of the URL is not sent (`no_url_value`), nor
is one of which the body makes nothing (`no_body`). A value that cannot be converted is left out and counted. `status`
says what statuses mean, `secret` signs as `webhook` does. Constants are never shown in samples. kill -9 or a timeout
sends the same request again, with the same key in `idempotency_header`; recognising it is the partner's part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote, urlencode

from pydantic import Field, Secret, SecretStr, field_validator, model_validator

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import HttpDestination, HttpRequest, HttpSettings, Skip, checked_url
from router.destinations.registry import destination
from router.destinations.request import origin
from router.destinations.response import HttpResponse
from router.destinations.shared import keys, shape
from router.destinations.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, check_header_name, signed
from router.mapping.constants import with_constants
from router.mapping.expression import Evaluate, compile_expression
from router.mapping.path import MISSING, Read
from router.mapping.settings import compiled
from router.mapping.template import compile_template, text_of, with_literals

Format = Literal["json", "form", "ndjson", "array"]
Meaning = Literal["delivered", "rejected", "retry", "refused"]
_CONTENT_TYPES: dict[Format, str] = {
    "json": "application/json", "array": "application/json", "ndjson": "application/x-ndjson",
    "form": "application/x-www-form-urlencoded",
}  # fmt: skip
_KINDS = {
    "delivered": Kind.DELIVERED, "rejected": Kind.REJECTED, "retry": Kind.RETRY, "refused": Kind.REFUSED
}  # fmt: skip
_OURS = frozenset(
    ("connection", "content-encoding", "content-length", "expect", "host", "transfer-encoding", "upgrade")
) | {SIGNATURE_HEADER.lower(), TIMESTAMP_HEADER.lower()}
_ORIGIN = re.compile(r"https?://[^/?#{}]+")
_WITHOUT_BODY = ("GET", "DELETE")
_PRINTABLE = "".join(map(chr, range(32, 127)))
_MASK = "***"
_SHORTEST_SECRET = 6  # characters: shorter texts are found in any answer


class HttpRequestSettings(HttpSettings):
    texts: ClassVar = ("headers", "body")

    url: SecretStr = Field(
        examples=["https://api.example.com/users/{userId}"],
        description="A template; its values are percent-encoded, and may stand behind the host only",
    )
    base_url: str | None = Field(
        None, description="Sent here instead of the scheme and host of the URL: a proxy, or a double in tests"
    )
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = Field("POST", description="The request's method")
    headers: dict[str, Secret[Any]] = Field(
        {}, description="Further headers: templates, or expressions such as {path: timestamp, as: unix_seconds}"
    )
    body: Secret[Any] | None = Field(
        None, description="JSON with expressions in it; left out: the whole event, or nothing for GET and DELETE"
    )
    format: Format = Field("json", description="json and form: one event a request; ndjson and array: a batch")
    status: dict[int, Meaning] = Field({}, description="Statuses that mean something else than usual")
    idempotency_header: str | None = Field(
        None, description="Name of a header that carries a key, the same in every attempt"
    )
    secret: SecretStr | None = Field(None, description="Signs each request as webhook does; left out: not signed")

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        fixed = text.partition("{")[0]
        checked_url(fixed)
        origin = _ORIGIN.match(fixed)
        if origin is None or (fixed != text and origin[0] == fixed):
            raise ValueError("expected a URL whose host is the same for every event")
        compiled(_url_template, text)
        return value

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str | None) -> str | None:
        return value and checked_url(value).rstrip("/")

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, Secret[Any]]) -> dict[str, Secret[Any]]:
        for name in value:
            check_header_name(name, _OURS)
        compiled(partial(_each, _header), {name: one.get_secret_value() for name, one in value.items()})
        return value

    @field_validator("body")
    @classmethod
    def _check_body(cls, value: Secret[Any] | None) -> Secret[Any] | None:
        if value is not None:
            compiled(_body, value.get_secret_value())
        return value

    @field_validator("status")
    @classmethod
    def _check_status(cls, value: dict[int, Meaning]) -> dict[int, Meaning]:
        for status in value:
            if not 200 <= status <= 599:
                raise ValueError(f"expected statuses from 200 to 599, got {status}")
        return value

    @field_validator("idempotency_header")
    @classmethod
    def _check_idempotency_header(cls, value: str | None) -> str | None:
        if value is not None:
            check_header_name(value, _OURS)
        return value

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        body = self.body.get_secret_value() if self.body else None
        if self.format != "json" and body is None and self.method in _WITHOUT_BODY:
            raise ValueError(f"expected a body for format: {self.format}, got none")
        if self.format == "form" and not isinstance(body, dict):
            raise ValueError("expected a body of names and values for format: form")
        return self


@destination("http")
class HttpRequestDestination(HttpDestination):
    summary = "Any partner: method, URL, headers and body as templates in the topology"
    limits = RequestLimits(count=1_000, request_bytes=16 * 1024 * 1024)
    Settings = HttpRequestSettings
    settings: HttpRequestSettings

    def __init__(self, name: str, settings: HttpRequestSettings, timeout: float) -> None:
        super().__init__(name, settings, timeout)
        url = settings.url.get_secret_value()
        if settings.base_url:
            url = settings.base_url + _ORIGIN.sub("", url, count=1)
        self._url = _url_template(url)
        own = {name: one.get_secret_value() for name, one in settings.headers.items()}
        typed = any(name.lower() == "content-type" for name in own)
        self._sends_body = settings.body is not None or settings.method not in _WITHOUT_BODY
        self._content_type = {} if typed or not self._sends_body else {"Content-Type": _CONTENT_TYPES[settings.format]}
        self._headers = _each(_header, own)
        self._given = settings.body.get_secret_value() if settings.body else {"path": "$"}
        self._body = _body(self._given)
        self._batched = settings.format in ("ndjson", "array")

    def batch_key(self, event: Delivery) -> Hashable:
        """Where a batch goes in one request, those with the same URL and headers."""
        return (self._url(event.body), *self._own_headers(event).items()) if self._batched else None

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        bodies: list[tuple[Delivery, Any]] = []
        for event in events:
            body = self._evaluated(self._body, event) if self._sends_body else {}
            if self._url(event.body) is MISSING:
                yield Skip(event, "no_url_value")
            elif body is MISSING or body is None:
                yield Skip(event, "no_body")
            else:
                bodies.append((event, body))
        if self._batched and bodies:
            yield self._request([event for event, _ in bodies], self._joined([body for _, body in bodies]))
        elif not self._batched:
            for event, body in bodies:
                yield self._request([event], self._written(body) if self._sends_body else b"")

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        outcome = self.by_status(request, response)
        meaning = self.settings.status.get(response.status)
        if meaning is not None:
            kind = _KINDS[meaning]
            wait = response.wait(*self.wait_headers)
            shared = len(request.events) > 1 and kind in (Kind.REJECTED, Kind.RETRY)
            outcome = replace(outcome, kind=kind, shared=shared, retry_after=wait if kind is Kind.RETRY else None)
        return [outcome] * len(request.events)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return signed(self.settings.secret, request.body, now)

    def sample(self, request: HttpRequest) -> str:
        """Made once more, with the constants of the topology hidden."""
        if not self._sends_body or not request.events:
            return ""
        hidden = _body(_hidden(self._given))(request.events[0].body, [])
        return self._joined([hidden]).decode(errors="replace")

    def shown(self, request: HttpRequest) -> HttpRequest:
        """Made once more, with the constants of the topology hidden."""
        event = request.events[0].body
        url = _url_template(with_literals(self.settings.url.get_secret_value(), lambda _: _MASK))(event)
        given = {name: _hidden(_templated(one.get_secret_value())) for name, one in self.settings.headers.items()}
        found = {name: one(event, []) for name, one in _each(_header, given).items()}
        own = {name: _header_text(value) for name, value in found.items() if value is not MISSING}
        return replace(super().shown(request), url=f"{origin(request.url)}/{url}", headers={**request.headers, **own})

    def answer_sample(self, response: HttpResponse) -> str:
        text = super().answer_sample(response)
        for constant in sorted(self._constants(), key=len, reverse=True):
            text = text.replace(constant, _MASK)
        return text

    def _constants(self) -> set[str]:
        """The texts of the topology that could be secrets."""
        found: set[str] = set()

        def noted(constant: str) -> str:
            found.add(constant)
            return constant

        headers = [_templated(one.get_secret_value()) for one in self.settings.headers.values()]
        for given in (self._given, _templated(self.settings.url.get_secret_value()), *headers):
            with_constants(given, noted)
        return {constant for constant in found if len(constant) >= _SHORTEST_SECRET}

    def _request(self, events: Sequence[Delivery], body: bytes) -> HttpRequest:
        headers = {**self._content_type, **self._own_headers(events[0])}
        if self.settings.idempotency_header:
            headers[self.settings.idempotency_header] = keys.of_batch(events)
        return HttpRequest(self.settings.method, self._url(events[0].body), events, body, headers)

    def _own_headers(self, event: Delivery) -> dict[str, str]:
        found = {name: one(event.body, []) for name, one in self._headers.items()}
        return {name: _header_text(value) for name, value in found.items() if value is not MISSING}

    def _evaluated(self, expression: Evaluate, event: Delivery) -> Any:
        problems: list[str] = []
        value = expression(event.body, problems)
        self.report(problems)
        return value

    def _joined(self, bodies: Sequence[Any]) -> bytes:
        match self.settings.format:
            case "array":
                return b"[" + b",".join(map(shape.json_bytes, bodies)) + b"]"
            case "ndjson":
                return b"".join(shape.json_bytes(body) + b"\n" for body in bodies)
            case _:
                return self._written(bodies[0])

    def _written(self, body: Any) -> bytes:
        return _form(body) if self.settings.format == "form" else shape.json_bytes(body)


def _body(given: Any) -> Evaluate:
    return compile_expression(given, literal=True)


def _url_template(text: str) -> Read:
    return compile_template(text, _url_text, whole=True)


def _header(given: Any, at: str = "") -> Evaluate:
    return compile_expression(_templated(given), at, literal=True)


def _templated(given: Any) -> Any:
    """A text is a template."""
    return {"template": given} if isinstance(given, str) else given


def _hidden(given: Any) -> Any:
    """The same expression with its constants hidden."""
    return with_constants(given, lambda _: _MASK)


def _each(compile_: Callable[[Any, str], Evaluate], given: Mapping[str, Any]) -> dict[str, Evaluate]:
    return {name: compile_(one, name) for name, one in given.items()}


def _url_text(value: Any) -> str:
    """Percent-encoded. Dots alone would be another folder: there is no such value."""
    text = text_of(value)
    return "" if text in (".", "..") else quote(text.encode("utf-8", "replace"), safe="")


def _header_text(value: Any) -> str:
    """What no header can carry is percent-encoded: an event cannot add a header of its own."""
    return quote(text_of(value).encode("utf-8", "replace"), safe=_PRINTABLE).strip()


def _form(value: Mapping[str, Any]) -> bytes:
    """Lists are repeated names; what is nested is JSON."""
    pairs = {name: one if isinstance(one, list) else [one] for name, one in value.items()}
    texts = {name: [text_of(item).encode("utf-8", "replace") for item in items] for name, items in pairs.items()}
    return urlencode(texts, doseq=True).encode()
