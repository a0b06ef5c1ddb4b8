"""Receivers: the sources that partners post to, each with its check of signatures and what it makes of a post.

Pure. A post that is not the partner's is refused before anything of it is parsed, and nothing of it is kept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs

from router.config.loader import Loaded
from router.config.models import hook_key
from router.events.event import Invalid
from router.events.parser import encode
from router.events.reader import InputItem
from router.gateway.answers import Refusal, explained
from router.gateway.bodies import Items
from router.gateway.credentials import Credential
from router.partner_sources.base import PartnerSource, Post, PostedItem, Unreadable
from router.partner_sources.catalog import CLASSES, PARTNER_SOURCES

_SAID_SECONDS = 60.0

log = logging.getLogger(__name__)


class PostedItems(Items):
    """What a partner posted. The bytes of an item are the partner's own JSON of it, whatever was made of it."""

    def __init__(self, body: bytes, found: list[PostedItem]) -> None:
        values = [one.event if one.event is not None else Invalid(one.reason, _json(one.item, body)) for one in found]
        super().__init__(body, [InputItem(value, {}, 1, (number,), None) for number, value in enumerate(values)])
        self._found = found

    def raw(self, index: int | None) -> bytes:
        body = super().raw(None)
        return body if index is None else _json(self._found[index].item, body)


def _json(item: Any, body: bytes) -> bytes:
    """The item alone; the whole body where it is nested too deep to be written again."""
    try:
        return encode(item)
    except TypeError:
        return body


@dataclass
class PostReceiver:
    """One source. `problem` is why its events are refused, if they are. `clock` gives seconds since 1970."""

    partner: PartnerSource
    credential: Credential
    clock: Callable[[], float] = time.time
    _said: float = float("-inf")

    def take(self, post: Post) -> Items | str:
        """The events of a post, or the code of why its body cannot be read. Raises Refusal for a post of others."""
        if self.credential.problem:
            raise Refusal(self.credential.problem, self.credential.source)
        if post.method != hdrs.METH_POST and not self.partner.reads_query:
            return PostedItems(b"", [])
        problem = self.partner.verify(post, self.clock())
        if problem:
            self._warn(problem)
            raise Refusal(problem, self.credential.source)
        try:
            return PostedItems(post.body, self.partner.read(post))
        except Unreadable as error:
            return error.reason

    def _warn(self, problem: str) -> None:
        """Once a minute: a partner whose posts are refused may hold back all later ones, and gives up at last."""
        now = time.monotonic()
        if now - self._said >= _SAID_SECONDS:
            self._said = now
            extra = {"source": self.credential.source, "code": problem}
            log.warning("a post to a source was refused: %s", explained(problem), extra=extra)


class PostReceivers:
    """All receivers of a topology, by the names of their sources."""

    def __init__(self, receivers: Mapping[str, PostReceiver] | None = None) -> None:
        self._receivers = dict(receivers or {})

    @classmethod
    def of(cls, loaded: Loaded) -> PostReceivers:
        """Those of a topology."""
        topology = loaded.topology
        found = {}
        for name, settings in loaded.source_settings.items():
            config = topology.sources[name]
            if config.type not in CLASSES:
                continue  # nobody posts to it: its rows are pulled
            partner = PARTNER_SOURCES[config.type](name, settings, config.map)
            key = hook_key(name).encode()
            found[name] = PostReceiver(partner, Credential(name, config.refusal(topology.environment), key, key))
        return cls(found)

    def find(self, source: str) -> PostReceiver:
        """The receiver of a source. Raises Refusal where no partner posts to it."""
        found = self._receivers.get(source)
        if found is None:
            raise Refusal("unknown_hook")
        return found
