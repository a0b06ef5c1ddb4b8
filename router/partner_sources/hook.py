"""hook: any partner that posts JSON, by the mapping of the topology or a function of your own.

`map` of the source says what becomes of an item: paths of the item to fields of the event. Without it each item is a
track call with the item as its properties, for the source's `transform` to make something of. Who posts is known by a
signature, by a token, or by both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from router import metrics
from router.config.types import Duration, Secret
from router.events.event import Body
from router.mapping.mapping import Mapping as EventMapping
from router.mapping.path import MISSING, MappingError, compile_path
from router.partner_sources.base import TOLERANCE, PartnerSource, PartnerSourceSettings, Post, Unreadable, json_of
from router.partner_sources.reading import id_of, text
from router.partner_sources.signatures import (
    NO_SIGNATURE,
    Algorithm,
    Encoding,
    bearer,
    check,
    hmac_of,
    in_query,
    stale,
)


class HookSettings(PartnerSourceSettings):
    token: Secret | None = Field(
        None, description="A secret that each post brings: in `token_header`, or as the parameter `token` of the URL"
    )
    token_header: str = Field("Authorization", min_length=1, description="The header of the token, bare or as Bearer")
    signing_key: Secret | None = Field(None, description="The key of an HMAC signature of the body")
    signature_header: str = Field("X-Signature", min_length=1, description="The header of the signature")
    prefix: str = Field("", description="What stands before the signature in its header, such as sha256=")
    algorithm: Algorithm = Field("sha256", description="The hash of the signature")
    encoding: Encoding = Field("hex", description="How the signature is written")
    timestamp_header: str | None = Field(
        None, description="The header of the time that is signed too, as time, `.`, body; left out: the body alone"
    )
    tolerance: Duration = Field(TOLERANCE, validate_default=True, description="The largest age of a signed time")
    items: str | None = Field(None, description="Path of the list of items in the body; left out: the body itself")
    event: str = Field("Webhook Received", min_length=1, description="Name of the track call where there is no map")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.token is None and self.signing_key is None:
            raise ValueError("expected token or signing_key, so that nobody else can post, got neither")
        return self

    @field_validator("items")
    @classmethod
    def _check_items(cls, value: str | None) -> str | None:
        try:
            compile_path(value or "$")
        except MappingError as error:
            raise ValueError(error.problem) from None
        return value


class HookSource(PartnerSource):
    type = "hook"
    partner = ""
    summary = "Any partner that posts JSON: mapped by `map`, or by a `transform` of your own"
    enter = "The URL, with `?token=` where the partner can set no header"
    signature = (
        "`token` in a header or the URL, or HMAC over the body in a header of your choice, with or without a time"
    )
    maps = True
    Settings = HookSettings

    def __init__(self, name: str, settings: HookSettings, mapping: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, settings, mapping)
        self._map = EventMapping(mapping) if mapping else None
        self._items = compile_path(settings.items or "$")

    def verify(self, post: Post, now: float) -> str:
        return self._verify_token(post) or self._verify_signature(post, now)

    def _verify_token(self, post: Post) -> str:
        token = self.settings.token
        if token is None:
            return ""
        problem = bearer(post, token, self.settings.token_header)
        return in_query(post, token) if problem == NO_SIGNATURE else problem

    def _verify_signature(self, post: Post, now: float) -> str:
        chosen = self.settings
        if chosen.signing_key is None:
            return ""
        given = post.headers.get(chosen.signature_header, "")
        timestamp = post.headers.get(chosen.timestamp_header, "") if chosen.timestamp_header else None
        if not given or timestamp == "":
            return NO_SIGNATURE
        signed = post.body if timestamp is None else timestamp.encode(errors="replace") + b"." + post.body
        expected = chosen.prefix + hmac_of(chosen.signing_key, chosen.algorithm, signed, chosen.encoding)
        problem = check(expected, [given.strip()])
        return problem or ("" if timestamp is None else stale(timestamp, now, chosen.tolerance))

    def items(self, post: Post) -> Iterable[Any]:
        found = self._items(json_of(post.body))
        if found is MISSING:
            raise Unreadable("no_items")
        return found if isinstance(found, list) else [found]

    def calls(self, item: Body) -> list[Body]:
        own_id = id_of(self.type, "", item)
        if self._map is None:
            return [
                {
                    "type": "track",
                    "event": self.settings.event,
                    "messageId": own_id,
                    "anonymousId": own_id,  # until the source's transform says whom it is about
                    "properties": item,
                    "channel": "server",
                }
            ]
        mapped = self._map.apply(item)
        for problem in mapped.problems:
            metrics.SOURCE_MAPPING_PROBLEMS.labels(self.name, problem.partition(": ")[0]).inc()
        event = mapped.values
        if text(event.get("event")) and "type" not in event:
            event["type"] = "track"
        if not text(event.get("messageId")):
            event["messageId"] = own_id
        event.setdefault("channel", "server")
        return [event]
