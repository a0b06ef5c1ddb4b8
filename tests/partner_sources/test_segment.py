"""Segment: what its Webhooks destination posts, which is an event already."""

from __future__ import annotations

import hmac
import json

from multidict import CIMultiDict

from router.partner_sources.base import Post
from tests.partner_sources.doubles.double import KEY, NOW
from tests.partner_sources.doubles.segment import SegmentDouble, event

DOUBLE = SegmentDouble()


def test_an_event_stays_what_it_is() -> None:
    (post,) = DOUBLE.posts([event("track", 1, event="Order Completed", properties={"total": 9.5})])
    (found,) = DOUBLE.source().read(post)
    assert found.event == {
        "type": "track",
        "event": "Order Completed",
        "messageId": "segment:ajs-next-1",
        "userId": "u42",
        "anonymousId": "a1",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "context": {"traits": {"email": "ada@example.com"}, "library": {"name": "analytics.js"}},
        "integrations": {"Amplitude": False, "Segment.io": False},
        "properties": {"total": 9.5},
        "channel": "server",
    }


def test_of_a_batch_the_first_event_is_signed_which_has_to_be_allowed() -> None:
    events = [event("track", 1, event="A"), event("track", 2, event="B")]
    code = hmac.digest(KEY.encode(), json.dumps(events[0]).encode(), "sha1").hex()
    post = Post("POST", "", "", CIMultiDict({"X-Signature": code}), json.dumps(events).encode())
    assert DOUBLE.source().verify(post, NOW) == "bad_signature"
    assert DOUBLE.source(batches=True).verify(post, NOW) == ""
    assert len(DOUBLE.source(batches=True).read(post)) == 2
    turned = Post("POST", "", "", post.headers, json.dumps(events[::-1]).encode())
    assert DOUBLE.source(batches=True).verify(turned, NOW) == "bad_signature"
