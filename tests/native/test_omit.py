"""What the library takes out of an event is what the plan's own way takes out, and kept as that keeps it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import orjson
import pytest

from router.agents.verdict import mark
from router.agents.verdict import omit as omitted_by_the_plan
from router.document import Pointer
from router.native.library import native
from router.native.omit import omit, packed
from tests.native.scanning import value

pytestmark = pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")

NAMES = ("a", "b", "ü", "a b", "protocols", "", "~/")
LEAVES: tuple[Any, ...] = (None, True, 0, -1.5, "", "x", 'q"\\', "a\nb", "é", "}", "],{", [], {})


def event(chance: random.Random) -> dict[str, Any]:
    """With a context and no protocols of its own, as the scanner takes them."""
    body: dict[str, Any] = {"type": "track", "messageId": "m"}
    sections = ["properties", "traits", "context", "other"]
    chance.shuffle(sections)
    for name in sections:
        body[name] = {key: value(chance, NAMES, LEAVES) for key in chance.sample(NAMES, chance.randint(0, 5))}
    body["context"].pop("protocols", None)
    return body


def paths(chance: random.Random, body: dict[str, Any]) -> list[Pointer]:
    """Of values, and of some that are not there, in the order in which they are kept."""
    found: list[Pointer] = []
    for _ in range(chance.randint(0, 6)):
        path: list[str | int] = [chance.choice(("properties", "traits", "context"))]
        at = body[str(path[0])]
        while True:
            parts = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
            part = chance.choice(parts) if parts and chance.random() < 0.9 else chance.choice(("a", 0, 7))
            path.append(part)
            if part not in parts or chance.random() < 0.5:
                break
            at = at[part]
        if not any(other[: len(path)] == tuple(path)[: len(other)] for other in found):  # they do not overlap
            found.append(tuple(path))
    return sorted(found, key=lambda path: [(part, "") if isinstance(part, int) else (0, part) for part in path])


def written(body: dict[str, Any]) -> bytes:
    marked: dict[str, Any] = orjson.loads(orjson.dumps(body))
    mark(marked, "plan@1")
    return orjson.dumps(marked)


def test_it_takes_out_of_events_what_the_plan_omits() -> None:
    changed = 0
    for seed in range(400):
        chance = random.Random(seed)
        bodies = [event(chance) for _ in range(10)]
        sets = [paths(chance, body) for body in bodies]
        texts = [written(body) for body in bodies]
        sizes = np.array(list(map(len, texts)), dtype=np.int64)
        starts, used = sizes.cumsum() - sizes, int(sizes.sum())
        block = memoryview(bytearray(b"".join(texts) + bytes(used + 10_000)))
        rows = np.array(chance.sample(range(10), 8))

        done, end = omit(block, used, starts, sizes, rows, rows, list(map(packed, sets)))

        assert done == len(rows)
        for row, body in enumerate(bodies):
            expected = orjson.loads(orjson.dumps(body))
            if row in rows:
                omitted_by_the_plan(expected, sets[row])
            made = bytes(block[starts[row] : starts[row] + sizes[row]])
            assert made == written(expected), (seed, row, sets[row])
            changed += made != texts[row]
        assert used <= end <= len(block)
    assert changed > 1000


def test_what_there_is_no_room_for_is_left_as_it_is() -> None:
    text = written({"properties": {"a": 1, "b": "x" * 100}, "context": {}})
    sizes = np.array([len(text)] * 3, dtype=np.int64)
    starts = sizes.cumsum() - sizes
    block = memoryview(bytearray(3 * text + bytes(2 * len(text))))

    done, end = omit(block, 3 * len(text), starts, sizes, np.arange(3), np.zeros(3), [packed([("properties", "a")])])

    assert done == 1
    assert end == 3 * len(text) + int(sizes[0])
    assert starts.tolist() == [3 * len(text), len(text), 2 * len(text)]
    assert bytes(block[starts[2] : starts[2] + sizes[2]]) == text


@pytest.mark.parametrize("body", [{"properties": {"a": 1}}, {"properties": {"a": 1}, "context": {"protocols": 5}}])
def test_an_event_of_another_form_is_left_as_it_is(body: dict[str, Any]) -> None:
    text = orjson.dumps(body)
    starts, sizes = np.zeros(1, dtype=np.int64), np.array([len(text)], dtype=np.int64)
    block = memoryview(bytearray(text + bytes(1000)))

    assert omit(block, len(text), starts, sizes, np.zeros(1), np.zeros(1), [packed([("properties", "a")])])[0] == 0
    assert (starts[0], sizes[0]) == (0, len(text))
