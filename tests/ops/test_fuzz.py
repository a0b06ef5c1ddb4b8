"""The reader keeps the laws of the fuzz on some thousand inputs; a reader that breaks one is found out."""

from __future__ import annotations

import random
import secrets
from typing import Any

import pytest

from ops import fuzz
from router.events.event import Invalid
from router.events.reader import read


def test_the_reader_keeps_the_laws() -> None:
    """A seed of its own each time; a finding names it."""
    assert fuzz.run(3_000, secrets.randbelow(2**32)) == []


@pytest.mark.parametrize(
    ("law", "broken", "finding"),
    [
        (fuzz.lines, lambda items: items[:-1], "a neighbour is lost"),
        (fuzz.batch, lambda items: items[:-1], "a neighbour is lost"),
        (fuzz.whole, lambda items: [item._replace(value=Invalid("", b"")) for item in items], "no reason"),
        (fuzz.whole, lambda items: [item._replace(value={}) for item in items], "changed"),
    ],
)
def test_a_reader_that_breaks_a_law_is_found_out(
    monkeypatch: pytest.MonkeyPatch, law: Any, broken: Any, finding: str
) -> None:
    monkeypatch.setattr(fuzz, "read", lambda data, repairs: broken(read(data, repairs)))
    chance = random.Random(1)
    pool = fuzz.samples(chance, 20)

    assert any(line.startswith(finding) for _ in range(300) for line in law(chance, pool))


def test_every_chunk_is_tried_on_as_many_processes_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "CHUNK", 40)

    assert fuzz.run_all(100, 3, 2) == (100, [])


def test_what_is_raised_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "read", lambda data, repairs: 1 / 0)

    assert fuzz.run(1, 7) == ["raised ZeroDivisionError('division by zero') at input 0 of seed 7"]
