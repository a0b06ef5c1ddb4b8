"""Counts over time, asked of insights over loopback. Where it does not answer, pages say why and show the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import aiohttp
from pydantic import ValidationError

from router.config.options import Address
from router.insights.schema import InsightsAnswer

SECONDS = 3.0
WIDTH, HEIGHT = 120, 24
A = TypeVar("A", bound=InsightsAnswer)


class OverTime(NamedTuple):
    """An answer of insights, or why there is none."""

    answer: InsightsAnswer | None
    away: str = ""

    def of(self, kind: type[A]) -> A | None:
        """The answer, if it is of this kind."""
        return self.answer if isinstance(self.answer, kind) else None


NOT_ASKED = OverTime(None, "insights was not asked")


async def ask(address: Address | None, path: str, kind: type[InsightsAnswer], **query: str) -> OverTime:
    """One question. Never raises for what another process does."""
    if address is None:
        return OverTime(None, "insights is not running (it needs the extra faust; --insights off switches it off)")
    host, port = address
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
            session.get(url, params=query) as reply,
        ):
            body = await reply.read()
            if reply.status == 400:
                return OverTime(None, f"insights refuses the question: {_error(body)}")
            if reply.status != 200:
                return OverTime(None, f"insights answered with status {reply.status}")
            return OverTime(kind.model_validate_json(body))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        why = f"not within {SECONDS:g} s" if isinstance(error, TimeoutError) else type(error).__name__
        return OverTime(None, f"insights does not answer at {host}:{port} ({why})")
    except ValidationError:
        return OverTime(None, f"what answers at {host}:{port} is not insights, or another version of it")


async def ask_before(address: Address | None, path: str, kind: type[InsightsAnswer], **query: str) -> OverTime:
    """The same question of the time before; not asked where `query` has no time."""
    return await ask(address, path, kind, **query) if "since" in query else NOT_ASKED


def _error(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])[:200]
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def points(trend: Sequence[int]) -> str:
    """The points of a line of this trend, for `<polyline>`; empty where there is nothing to draw."""
    most = max(trend, default=0)
    if most <= 0 or len(trend) < 2:
        return ""
    step = WIDTH / (len(trend) - 1)
    heights = [HEIGHT - 1 - (HEIGHT - 2) * max(count, 0) / most for count in trend]
    return " ".join(f"{number * step:.1f},{height:.1f}" for number, height in enumerate(heights))


def sentence(trend: Sequence[int]) -> str:
    """The same for people who do not see it."""
    return f"{sum(trend):,} in all, at most {max(trend, default=0):,} in one of {len(trend)} steps"
