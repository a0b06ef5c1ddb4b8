"""The official test suite says yes and no where the compiled validators do, but for the deviations listed here."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from router.errors import FileError
from router.plan import CompiledPlan, compile_plan
from router.plan.keywords import DRAFT7, DRAFT2020, Draft
from router.plan.load import parse_plan
from router.plan.pattern import REGEX
from tests.plan import suite

README = Path(__file__).parent.parent.parent / "schemas/README.md"
DRAFTS = {"draft7": DRAFT7, "draft2020-12": DRAFT2020}
DEVIATIONS = {"draft7": Counter[str](), "draft2020-12": Counter({"format.json": 19})}
"""Cases by file where our answer differs: the suite takes 2020-12 formats for annotations, the router asserts them."""
REFUSED = {"draft7": 77, "draft2020-12": 190}
"""Cases of schemas that a plan may not hold (remote references, $id, $anchor, unknown keywords, …)."""


@pytest.mark.parametrize("name", DRAFTS)
def test_the_engine_answers_as_the_suite_says(name: str) -> None:
    """Every schema of the suite, compiled with the options that plans are compiled with."""
    documents = suite.remotes()

    @cache
    def engine(text: str) -> Any:
        return DRAFTS[name].validator(
            json.loads(text), retriever=documents.__getitem__, pattern_options=REGEX, validate_formats=True
        )

    wrong: Counter[str] = Counter()
    total = 0
    for case in suite.cases(name):
        total += 1
        wrong[case.file] += engine(json.dumps(case.schema)).is_valid(case.data) != case.valid

    assert +wrong == DEVIATIONS[name]
    assert _figures(name)[:2] == (total, total - wrong.total())


@pytest.mark.parametrize("name", DRAFTS)
def test_a_plan_answers_as_the_suite_says_or_refuses_the_schema(name: str) -> None:
    """Every schema of the suite as the schema of an event's properties, through loader, linter and compiler."""
    wrong: Counter[str] = Counter()
    refused = total = 0
    for case in suite.cases(name):
        total += 1
        compiled = _compiled(json.dumps(case.schema), DRAFTS[name])
        if compiled is None:
            refused += 1
            continue
        body = {"type": "track", "event": "A", "properties": case.data}
        rule = compiled.find(body)
        found = [each.violation.klass for each in rule.findings(body)]
        assert bool(found) != rule.is_valid(body), case.title
        wrong[case.file] += ("violation" not in found) != case.valid

    assert +wrong == DEVIATIONS[name]
    assert refused == REFUSED[name]
    assert _figures(name)[2:] == (total - refused, refused)


@cache
def _compiled(text: str, draft: Draft) -> CompiledPlan | None:
    """A plan with this schema of an event's properties, or None where the linter refuses it."""
    schema = json.loads(text)
    if isinstance(schema, dict):
        schema = {"$schema": draft.uri, **schema}
    event = json.dumps({"type": "track", "event": "A", "properties": schema}, ensure_ascii=False)
    try:
        return compile_plan(parse_plan({"events/a.yaml": event.encode()}, Path("plan")))
    except FileError:
        return None


def _figures(name: str) -> tuple[int, ...]:
    """What the README says of a draft: cases, answered as the suite says, taken by plans, refused by plans."""
    row = re.search(rf"^\| {re.escape(name)} \|(.*)\|$", README.read_text("utf-8"), re.MULTILINE)
    assert row, f"no row of {name} in {README}"
    return tuple(int(cell.replace(",", "")) for cell in row[1].split("|"))
