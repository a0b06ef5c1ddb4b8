"""Segment: its Webhooks destination posts events as they are, by the same spec.

An event keeps its messageId. Of a batch, Segment signs the first event alone: `batches` takes such posts, whose other
events anybody may have added who has seen one.
"""

from __future__ import annotations

from pydantic import Field

from router.config.types import Secret
from router.events.damaged_batch import cut
from router.events.event import Body
from router.partner_sources.base import PartnerSource, PartnerSourceSettings, Post
from router.partner_sources.reading import dig, id_of, text
from router.partner_sources.signatures import NO_SIGNATURE, check, hmac_of

_LEFT_OUT = frozenset(("_metadata", "projectId", "receivedAt", "sentAt", "version", "writeKey"))


class SegmentSourceSettings(PartnerSourceSettings):
    shared_secret: Secret = Field(description="The shared secret of the Webhooks destination")
    batches: bool = Field(False, description="Take posts of several events, of which Segment signs only the first")


class SegmentSource(PartnerSource):
    type = "segment"
    partner = "Segment.io"
    summary = "Segment's Webhooks destination: events as they are. Without `settings`: SDKs, by a write key"
    enter = "Connections, Destinations, Webhooks: the URL, and as shared secret `shared_secret`"
    signature = "HMAC-SHA1 over the body, in `X-Signature`"
    Settings = SegmentSourceSettings

    def verify(self, post: Post, now: float) -> str:
        given = post.headers.get("X-Signature", "").lower()
        if not given:
            return NO_SIGNATURE
        problem = check(hmac_of(self.settings.shared_secret, "sha1", post.body), [given])
        if problem and self.settings.batches and (pieces := cut(post.body)) and pieces.items:
            return check(hmac_of(self.settings.shared_secret, "sha1", pieces.items[0]), [given])
        return problem

    def calls(self, item: Body) -> list[Body]:
        event = {name: value for name, value in item.items() if name not in _LEFT_OUT}
        if not text(event.get("messageId")):
            event["messageId"] = id_of(self.type, "", item)
        event["channel"] = event.get("channel") or "server"
        event["integrations"] = dig(event, "integrations", kind=dict) | {self.partner: False}
        return [event]
