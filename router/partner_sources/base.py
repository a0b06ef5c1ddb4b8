"""What a partner source is: a check of who made a post, and a pure mapping from its body to events.

A partner is one file with one class, most of them a `router.partner_sources.table.TableSource`. Nothing here knows a
socket or a broker. The gateway answers 200 once all events of a post are in Kafka, so kill -9 makes the partner post
once more, and the same post has the same messageIds.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from router.config.types import Model
from router.events.event import Body
from router.events.parser import JsonError, Repairs, parse

UNKNOWN_EVENT = "unknown_partner_event"
FAILED = "partner_event_failed"
TOLERANCE = "5m"

log = logging.getLogger(__name__)


class PartnerSourceSettings(Model):
    """Base of a partner source's settings: unknown keys are refused."""


SettingsOfSource = type[PartnerSourceSettings]


@dataclass(frozen=True, slots=True)
class Post:
    """A request as it came: `query` as in the URL, `headers` found whatever their letter case, `body` inflated."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class PostedItem(NamedTuple):
    """What was made of an item of a post: an event, or the reason why there is none."""

    item: Any
    event: Body | None
    reason: str = ""


class Unreadable(Exception):
    """A body that is not in the partner's form. `reason` is one of `events.invalid`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PartnerSource(ABC):
    """Set the attributes, `verify` and `calls`. An item is what the partner posts about one occurrence.

    `partner` is its name in `integrations` and `context.integration`, `enter` what to enter there, `signature` how a
    post is known to be its, `names` its event types with the names of the track calls made of them.
    """

    type: ClassVar[str]
    partner: ClassVar[str]
    summary: ClassVar[str]
    enter: ClassVar[str]
    signature: ClassVar[str]
    names: ClassVar[Mapping[str, str]] = {}
    reads_query: ClassVar[bool] = False  # whether a GET brings an event, and does not only ask whether the URL is there
    maps: ClassVar[bool] = False  # whether the topology's `map` says what becomes of an item
    Settings: ClassVar[SettingsOfSource]

    def __init__(self, name: str, settings: Any, mapping: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.settings = settings

    @classmethod
    def receives(cls, settings: PartnerSourceSettings) -> bool:
        """Whether a source with these settings takes posts."""
        return True

    @abstractmethod
    def verify(self, post: Post, now: float) -> str:
        """An empty text if the partner made the post lately, else `no_signature`, `bad_signature` or
        `stale_signature`. `now` is seconds since 1970.
        """

    @abstractmethod
    def calls(self, item: Body) -> list[Body]:
        """The events made of an item, with ids and time; none where its type is not known."""

    def items(self, post: Post) -> Iterable[Any]:
        """The items of a body that was verified; none for a test of the connection. Raises Unreadable."""
        value = json_of(post.body)
        return value if type(value) is list else [value]

    def read(self, post: Post) -> list[PostedItem]:
        """Everything that a verified post holds. An odd item never takes a neighbour with it. Raises Unreadable."""
        return [found for item in self.items(post) for found in self._read(item)]

    def _read(self, item: Any) -> list[PostedItem]:
        if type(item) is not dict:
            return [PostedItem(item, None, "not_object")]
        try:
            calls = self.calls(item)
        except Exception as error:  # a fault of ours in one item: it is kept, and the partner does not post for ever
            log.exception("an item of a post failed: %s", type(error).__name__, extra={"type": self.type})
            return [PostedItem(item, None, FAILED)]
        return [PostedItem(item, call) for call in calls] or [PostedItem(item, None, UNKNOWN_EVENT)]


def json_of(body: bytes) -> Any:
    """The JSON of a body. Raises Unreadable."""
    if not body.strip():
        raise Unreadable("empty")
    try:
        return parse(body, Repairs())
    except JsonError as error:
        raise Unreadable(error.reason) from None
