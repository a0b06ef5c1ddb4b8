"""Mutated payloads of ten SDKs through the one reader: `python -m ops.fuzz [--inputs 100000] [--seed N]`.

Four laws hold for every input: nothing is raised; each item is JSON or has a reason; what Python's own parser takes
comes out as that parser reads it; and the events before and after the mutated one are read as they were sent.
An input that breaks a law is printed as a Python literal, and the status is 1.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from router.events.event import Invalid
from router.events.parser import Repairs, encode
from router.events.reader import read

REPORT_SECONDS = 10.0
SHOWN = 10
LIBRARIES = (
    ("analytics.js", "2.11.1"), ("analytics-node", "2.2.0"), ("analytics-python", "2.3.2"), ("analytics-go", "3.3.0"),
    ("analytics-java", "3.5.1"), ("analytics-ruby", "2.5.0"), ("analytics-php", "3.8.0"), ("Analytics.NET", "3.8.1"),
    ("analytics-kotlin", "1.16.3"), ("analytics-swift", "1.5.11"),
)  # fmt: skip
WORDS = (
    "Ünïcödé ⚽",
    'a\\b"c',
    "{not json}",
    "[1,2",
    "",
    " ",
    "null",
    "日本語",
    "\u0000\u2028",
    "https://x.example/?a=[1]&b={2}",
)
INSERTS = (
    b"\\ud83d", b"\\x", b"\xff", b"\xef\xbb\xbf", b"NaN", b"-", b"1e999", b"12345678901234567890123", b",", b":", b'"',
    b"{", b"}", b"[", b"]", b"null", b"\\", b"\x00", b"\x1f", b"//c", b"'", b"\xc3", b" ", b"\t", b"\r",
)  # fmt: skip
HARMLESS = (b"\\x", b"\xff", b"\x00", b"\x1f", b"\xc3", b"\\ud83d", b"~")  # neither quotes nor brackets

Mutation = Callable[[random.Random, bytes], bytes]


def event(chance: random.Random) -> dict[str, Any]:
    """One call as an SDK writes it."""
    name, version = chance.choice(LIBRARIES)
    kind = chance.choice(("track", "identify", "page", "screen", "group", "alias"))
    content = {
        chance.choice(("total", "name", "items", "Ключ")): _value(chance, 3) for _ in range(chance.randint(0, 4))
    }
    return {
        "type": kind,
        "messageId": f"{name}-{chance.getrandbits(64):x}",
        "anonymousId": f"{chance.getrandbits(64):x}",
        "userId": chance.choice((None, "u1", "пользователь")),
        "event": "Order Completed",
        "properties" if kind != "identify" else "traits": content,
        "context": {"library": {"name": name, "version": version}, "page": {"title": chance.choice(WORDS)}},
        "timestamp": "2026-11-27T10:00:00.123Z",
    }


def _value(chance: random.Random, depth: int) -> Any:
    if depth and chance.random() < 0.3:
        return [_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    if depth and chance.random() < 0.3:
        return {chance.choice(("a", "b c", "")): _value(chance, depth - 1) for _ in range(2)}
    return chance.choice((None, True, 0, -1.5, 2**53, 1e-7, 10**22, *WORDS))


def _insert(chance: random.Random, text: bytes) -> bytes:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(INSERTS) + text[at:]


def _remove(chance: random.Random, text: bytes) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + text[at + chance.randint(1, 9) :]


def _repeat(chance: random.Random, text: bytes) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + text[at : at + 9] + text[at:]


def _flip(chance: random.Random, text: bytes) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << chance.randrange(8))]) + text[at + 1 :]


def _cut(chance: random.Random, text: bytes) -> bytes:
    return text[: chance.randrange(len(text) + 1)]


MUTATIONS: tuple[Mutation, ...] = (_insert, _remove, _repeat, _flip, _cut)


def mutated(chance: random.Random, text: bytes) -> bytes:
    """One to three mutations, none of which adds a line."""
    for _ in range(chance.randint(1, 3)):
        if text:
            text = chance.choice(MUTATIONS)(chance, text).replace(b"\n", b" ")
    return text


def whole(chance: random.Random) -> Iterator[str]:
    """A mutated body of any form."""
    events = [event(chance) for _ in range(chance.randint(1, 3))]
    body: Any = chance.choice((events[0], events, {"batch": events, "sentAt": "2026-11-27T10:00:00Z"}))
    data = mutated(chance, json.dumps(body, ensure_ascii=chance.random() < 0.5).encode())
    items = read(data, Repairs())
    for item in items:
        if isinstance(item.value, Invalid) and not item.value.reason:
            yield f"no reason: {data!r}"
    expected = _plainly(data)
    if expected is not _NOT_JSON and len(items) == 1 and items[0].raw == data and items[0].path == ():
        value = items[0].value
        if not isinstance(value, Invalid) and json.loads(encode(value)) != expected:
            yield f"changed: {data!r}"


def lines(chance: random.Random) -> Iterator[str]:
    """Three lines, of which the one between the others is mutated."""
    before, between, after = (event(chance) for _ in range(3))
    middle = mutated(chance, json.dumps(between).encode())
    data = b"\n".join((json.dumps(before).encode(), middle, json.dumps(after).encode()))
    yield from _neighbours(data, before, after)


def batch(chance: random.Random) -> Iterator[str]:
    """A batch body, in which one event is damaged while its brackets and quotes stay."""
    before, between, after = (event(chance) for _ in range(3))
    text = json.dumps(between).encode()
    places = [at for at in range(len(text)) if text[at - 1 : at] != b"\\"]  # behind one it would undo an escape
    at = chance.choice(places)
    middle = text[:at] + chance.choice(HARMLESS) + text[at:]
    data = b'{"batch":[%s,%s,%s]}' % (json.dumps(before).encode(), middle, json.dumps(after).encode())
    yield from _neighbours(data, before, after)


def _neighbours(data: bytes, before: Any, after: Any) -> Iterator[str]:
    items = [item.value for item in read(data, Repairs())]
    readable = [json.loads(encode(value)) for value in (items[0], items[-1]) if not isinstance(value, Invalid)]
    if readable != [before, after]:
        yield f"a neighbour is lost: {data!r}"


_NOT_JSON = object()


def _plainly(data: bytes) -> Any:
    """What Python's own parser makes of it, where that is JSON and whole texts."""
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return _NOT_JSON
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def run(inputs: int, seed: int) -> list[str]:
    """The findings, SHOWN at most."""
    chance = random.Random(seed)
    found: list[str] = []
    look = time.monotonic() + REPORT_SECONDS
    for number in range(inputs):
        try:
            found += chance.choice((whole, lines, batch))(chance)
        except Exception as error:  # noqa: BLE001  whatever is raised is the finding
            found.append(f"raised {error!r} at input {number} of seed {seed}")
        if len(found) >= SHOWN:
            break
        if number % 1000 == 0 and time.monotonic() > look:
            print(f"{number:,} of {inputs:,}", file=sys.stderr, flush=True)
            look = time.monotonic() + REPORT_SECONDS
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    found = run(chosen.inputs, chosen.seed)
    for line in found:
        print(line)
    print(f"{chosen.inputs:,} inputs of seed {chosen.seed}: {len(found) or 'no'} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
