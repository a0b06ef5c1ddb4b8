"""Slack: messages to channels, made from templates by event.

Nothing is sent without a template: `templates` names the track events, in which `*` stands for anything, and `identify`
the text of identify calls. Templates read the event by paths, as in `{event}: {properties.total}`; what comes out of an
event is escaped, so that no value mentions a channel or makes a link. With a bot token messages go by
`chat.postMessage` to the channel of the event; an incoming webhook posts to its own channel. Slack takes about one
message a second for each channel, and says how long to wait beyond that. A refusal of Slack's, such as
`not_in_channel`, is the code of the dead letter; a token or webhook that is not taken pauses the destination. Slack
knows no repeats: kill -9 or a timeout may post the messages that were under way once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from router.config.types import Secret, glob_matches
from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, checked_url
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import shape
from router.mapping.path import MISSING, MappingError
from router.mapping.template import compile_template

TEXT_BYTES = 40_000
_ERROR = re.compile(r"[a-z_]{1,60}\Z")
_REFUSED = frozenset(
    ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope")
) | {"not_allowed_token_type", "ekm_access_denied", "org_login_required"}
_RETRY = frozenset(("ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"))
_WEBHOOK_GONE = frozenset((403, 404, 410))  # the webhook or its channel: no event would fare better


class SlackSettings(PartnerSettings):
    regions: ClassVar = {"global": "https://slack.com"}

    token: ApiKey | None = Field(
        None,
        examples=["${SLACK_TOKEN}"],
        description="Bot token (xoxb-…) with the scope chat:write; this or `webhook_url`, not both",
    )
    webhook_url: Secret | None = Field(
        None, description="URL of an incoming webhook, which is bound to one channel; a secret"
    )
    channel: str | None = Field(
        None,
        min_length=1,
        examples=["C0123456789"],
        description="Id of the channel for messages that `channels` does not name; with a token",
    )
    channels: dict[str, str] = Field({}, description="Channel ids by event name; with a token")
    templates: dict[str, str] = Field(
        {}, description="Message by event name, in which `*` stands for anything; the first that fits is used"
    )
    identify: str | None = Field(None, description="Message for identify calls; left out: they are not sent")
    username: str | None = Field(None, description="Shown as the sender, where the token has chat:write.customize")
    icon_url: str | None = Field(None, description="Picture of the sender, where the token has chat:write.customize")

    @field_validator("templates", "identify")
    @classmethod
    def _check_template(cls, value: Any) -> Any:
        for text in value.values() if isinstance(value, dict) else [value or ""]:
            try:
                compile_template(text)
            except MappingError as error:
                raise ValueError(f"expected a template: {error}") from None
        return value

    @field_validator("webhook_url")
    @classmethod
    def _check_webhook_url(cls, value: Secret | None) -> Secret | None:
        if value is not None:
            checked_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _check_way(self) -> Self:
        if (self.token is None) == (self.webhook_url is None):
            raise ValueError("expected either token or webhook_url")
        if self.token is None and (self.channel or self.channels):
            raise ValueError("expected no channel: an incoming webhook is bound to one")
        if self.token is not None and not self.channel and not set(self.templates) <= set(self.channels):
            raise ValueError("expected channel, or one in channels for each template")
        if self.identify is not None and self.token is not None and not self.channel:
            raise ValueError("expected channel, which messages for identify calls go to")
        return self


@destination("slack")
class Slack(HttpDestination):
    summary = "Messages to Slack channels, from templates by event"
    integrations = ("Slack", "Slack (Actions)")
    types = ("track", "identify")
    limits = RequestLimits(rate=1.0)
    Settings = SlackSettings
    settings: SlackSettings

    def __init__(self, name: str, settings: SlackSettings, timeout: float) -> None:
        super().__init__(name, settings, timeout)
        self._templates = {name: compile_template(text) for name, text in settings.templates.items()}
        self._identify = compile_template(settings.identify) if settings.identify else None

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        for event in events:
            name = next((one for one in self._templates if glob_matches(one, event.event)), "")
            read = self._identify if event.type == "identify" else self._templates.get(name)
            if read is None:
                yield Skip(event, "no_template")
                continue
            text = read(_escaped(event.body))
            if text is MISSING or not text.strip():
                yield Skip(event, "empty_message")
                continue
            yield self._message(event, name, shape.cut(text, TEXT_BYTES))

    def _message(self, event: Delivery, template: str, text: str) -> HttpRequest:
        settings = self.settings
        payload = {"text": text, "username": settings.username, "icon_url": settings.icon_url}
        if settings.webhook_url is not None:
            return HttpRequest.of_json("POST", settings.webhook_url.get_secret_value(), [event], shape.present(payload))
        channel = settings.channels.get(event.event) or settings.channels.get(template) or settings.channel
        return HttpRequest.of_json(
            "POST", "/api/chat.postMessage", [event], shape.present({"channel": channel} | payload)
        )

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        if self.settings.webhook_url is not None:
            if response.status in _WEBHOOK_GONE:
                return [Outcome(Kind.REFUSED, response.code, _error(response.body.decode(errors="replace")))]
            return super().read(request, response)
        if response.status != 200:
            return super().read(request, response)
        return [_outcome(response)]

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.settings.token.get_secret_value()}"} if self.settings.token else {}

    def probe(self) -> HttpRequest | None:
        return HttpRequest("POST", "/api/auth.test", ()) if self.settings.token else None

    def read_probe(self, response: HttpResponse) -> Outcome:
        if response.status != 200:
            return super().read_probe(response)
        found = _outcome(response)
        return found if found.kind is not Kind.REJECTED else Outcome(Kind.REFUSED, found.code, found.detail)


def _outcome(response: HttpResponse) -> Outcome:
    """Slack's Web API answers 200 to all that it understood; `ok` and `error` say what became of it."""
    answer = response.json
    if not isinstance(answer, dict):
        return Outcome(Kind.UNCONFIRMED, response.code)
    if answer.get("ok") is True:
        return Outcome(Kind.DELIVERED, response.code)
    error = _error(answer.get("error"))
    kind = Kind.REFUSED if error in _REFUSED else Kind.RETRY if error in _RETRY else Kind.REJECTED
    return Outcome(kind, error.upper() or "NOT_OK", error, response.wait("retry-after"))


def _error(value: object) -> str:
    return value if isinstance(value, str) and _ERROR.match(value) else ""


def _escaped(value: Any) -> Any:
    """With the three signs that Slack gives a meaning to replaced in every text."""
    if isinstance(value, dict):
        return {name: _escaped(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_escaped(one) for one in value]
    if isinstance(value, str):
        return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return value
