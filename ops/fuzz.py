"""Mutated payloads of ten SDKs through the one reader: `python -m ops.fuzz [--inputs 100000] [--seed N] [--jobs N]`.

Four laws hold for every input: nothing is raised; each item is JSON or has a reason; what Python's own parser takes
comes out as that parser reads it; and the events before and after the mutated one are read as they were sent.
An input that breaks a law is printed as a Python literal, and the status is 1. Inputs come in chunks, one seed each, on
all processors; `--seed` and `--inputs` of a chunk repeat it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, NamedTuple, NoReturn

from router.events.event import Invalid
from router.events.parser import Repairs, encode
from router.events.reader import read

REPORT_SECONDS = 10.0
SHOWN = 10
CHUNK = 20_000  # inputs of one seed
POOL = 400  # events of one seed, from which its inputs are made
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


class Sample(NamedTuple):
    """An event, and the two ways in which SDKs write it: in ASCII alone, or in UTF-8."""

    event: dict[str, Any]
    escaped: bytes
    plain: bytes


Pool = Sequence[Sample]


def samples(chance: random.Random, count: int = POOL) -> Pool:
    """Events to choose from: making one costs more than reading it."""
    made = [event(chance) for _ in range(count)]
    return [Sample(one, json.dumps(one).encode(), json.dumps(one, ensure_ascii=False).encode()) for one in made]


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


def whole(chance: random.Random, pool: Pool) -> Iterator[str]:
    """A mutated body of any form."""
    escaped = chance.random() < 0.5
    texts = [one.escaped if escaped else one.plain for one in chance.choices(pool, k=chance.randint(1, 3))]
    joined = b", ".join(texts)
    body = chance.choice((texts[0], b"[%s]" % joined, b'{"batch": [%s], "sentAt": "2026-11-27T10:00:00Z"}' % joined))
    data = mutated(chance, body)
    items = read(data, Repairs())
    for item in items:
        if isinstance(item.value, Invalid) and not item.value.reason:
            yield f"no reason: {data!r}"
    expected = _plainly(data)
    if expected is not _NOT_JSON and len(items) == 1 and items[0].raw == data and items[0].path == ():
        value = items[0].value
        if not isinstance(value, Invalid) and json.loads(encode(value)) != expected:
            yield f"changed: {data!r}"


def lines(chance: random.Random, pool: Pool) -> Iterator[str]:
    """Three lines, of which the one between the others is mutated."""
    before, between, after = chance.choices(pool, k=3)
    data = b"\n".join((before.escaped, mutated(chance, between.escaped), after.escaped))
    yield from _neighbours(data, before.event, after.event)


def batch(chance: random.Random, pool: Pool) -> Iterator[str]:
    """A batch body, in which one event is damaged while its brackets and quotes stay."""
    before, between, after = chance.choices(pool, k=3)
    text = between.escaped
    at = chance.randrange(len(text))
    while text[at - 1 : at] == b"\\":  # behind one it would undo an escape
        at = chance.randrange(len(text))
    middle = text[:at] + chance.choice(HARMLESS) + text[at:]
    data = b'{"batch":[%s,%s,%s]}' % (before.escaped, middle, after.escaped)
    yield from _neighbours(data, before.event, after.event)


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
    """The findings of one seed, SHOWN at most."""
    chance = random.Random(seed)
    pool = samples(chance)
    found: list[str] = []
    for number in range(inputs):
        try:
            found += chance.choice((whole, lines, batch))(chance, pool)
        except Exception as error:  # noqa: BLE001  whatever is raised is the finding
            found.append(f"raised {error!r} at input {number} of seed {seed}")
        if len(found) >= SHOWN:
            break
    return found


def run_all(inputs: int, seed: int, jobs: int) -> tuple[int, list[str]]:
    """How many inputs were tried, in chunks of following seeds, and the findings; it ends early with SHOWN of them."""
    sizes = [min(CHUNK, inputs - start) for start in range(0, inputs, CHUNK)]
    tried, found, look = 0, [], time.monotonic() + REPORT_SECONDS
    with ProcessPoolExecutor(jobs, get_context("spawn")) as processes:
        chunks = {processes.submit(run, size, seed + number): size for number, size in enumerate(sizes)}
        for chunk in as_completed(chunks):
            tried += chunks[chunk]
            found += chunk.result()
            if len(found) >= SHOWN:
                processes.shutdown(cancel_futures=True)
                break
            if time.monotonic() > look:
                print(f"{tried:,} of {inputs:,}", file=sys.stderr, flush=True)
                look = time.monotonic() + REPORT_SECONDS
    return tried, found[:SHOWN]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes; default: all processors")
    chosen = parser.parse_args()
    tried, found = run_all(chosen.inputs, chosen.seed, chosen.jobs)
    for line in found:
        print(line)
    print(f"{tried:,} inputs from seed {chosen.seed} on: {len(found) or 'no'} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
