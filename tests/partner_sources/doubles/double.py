"""What every double of a partner that posts has."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from multidict import CIMultiDict

from router.partner_sources.base import PartnerSource, Post
from router.partner_sources.catalog import PARTNER_SOURCES

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
KEY, OTHER_KEY = "a-key-of-the-tests", "a-key-of-somebody-else"


class PartnerDouble(ABC):
    """`items` are occurrences, each of another type; `unknown` is one of a type from next year, None where types are
    the user's own. `batches`: several items fit into a post. `signs_body`, `signs_time`: what the signature covers.
    """

    type: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]]
    map: ClassVar[Mapping[str, Any]] = {}
    items: ClassVar[Sequence[dict[str, Any]]]
    unknown: ClassVar[dict[str, Any] | None]
    batches: ClassVar[bool] = True
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = True

    def source(self, **settings: Any) -> PartnerSource:
        """The source under test, with the double's key."""
        cls = PARTNER_SOURCES[self.type]
        return cls("mail", cls.Settings.model_validate({**self.settings, **settings}), self.map)

    def body(self, items: Sequence[Any]) -> bytes:
        """One post with these items."""
        return json.dumps(list(items) if self.batches else items[0], ensure_ascii=False).encode()

    @abstractmethod
    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        """The headers that sign a body."""

    def query(self, key: str) -> str:
        return ""

    def post(self, body: bytes, now: float = NOW, key: str = KEY) -> Post:
        """The request, signed."""
        return Post("POST", "/v1/hooks/mail", self.query(key), CIMultiDict(self.headers(body, now, key)), body)

    def posts(self, items: Sequence[Any]) -> list[Post]:
        """The items in as few requests as the partner makes."""
        return [self.post(self.body(part)) for part in ([items] if self.batches else [[item] for item in items])]

    def pings(self) -> list[Post]:
        """What the partner sends when somebody tests the connection."""
        return []
