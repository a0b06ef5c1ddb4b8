"""Patterns mean what they mean in JavaScript, or are refused with what to write instead."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import jsonschema_rs
import pytest

from router.plan import compile_plan, load_plan
from router.plan.ecma import for_engine
from router.plan.pattern import REGEX, pattern_problem
from tests.plan.folders import make

PARTS = [
    *(
        "a",
        "b",
        ".",
        r"\d",
        r"\w",
        r"\s",
        r"\S",
        r"\W",
        r"\D",
        r"[\w-\.]",
        "[^]",
        r"[^\s]",
        r"\<",
        "{",
        "}",
        "]",
        "{2}",
    ),
    *(
        "{1,}",
        "*",
        "+",
        "?",
        "(",
        "(?:",
        ")",
        "|",
        "^",
        "$",
        "[a-c]",
        "[^a]",
        "[+--]",
        "[a&&b]",
        "[a~~b]",
        "[[a]",
        r"\/",
    ),
    *("-", r"\-", r"\u0061", r"\x61", r"\cA", r"\0", r"\t", "é", "#", " ", "/", r"[\b]", r"\é", "&", "~", r"[.-\d]"),
    *("(?<n>a)", r"\.", "{,2}", r"[\d-x]", ",", "<", '"', r"[^\W]"),
]
CHARACTERS = 'abcd1٣é\n\r\u2028\u0085\ufeff\u00a0{}][-<.&~# /\x01\x00\t\x08,"+2_KſK'
NODE = """
const cases = JSON.parse(require("fs").readFileSync(0));
const compiled = (pattern) => { try { return new RegExp(pattern, "u"); } catch { return new RegExp(pattern); } };
const answers = ([pattern, texts]) => { try { const r = compiled(pattern); return texts.map((text) => r.test(text)); }
  catch (error) { return String(error); } };
console.log(JSON.stringify(cases.map(answers)));
"""


def matches(pattern: str, text: str) -> bool:
    schema = {"pattern": for_engine(pattern)}
    return jsonschema_rs.Draft7Validator(schema, pattern_options=REGEX).is_valid(text)


@pytest.mark.skipif(shutil.which("node") is None, reason="node, whose answers these are, is not installed")
def test_generated_patterns_answer_as_node_does() -> None:
    chosen = random.Random(26)
    cases = []
    for _ in range(4000):
        pattern = "".join(chosen.choices(PARTS, k=chosen.randint(1, 6)))
        if not pattern_problem(pattern):
            cases.append((pattern, ["".join(chosen.choices(CHARACTERS, k=chosen.randint(0, 4))) for _ in range(10)]))

    run = subprocess.run(["node", "-e", NODE], input=json.dumps(cases), capture_output=True, text=True, check=True)

    ours = [[matches(pattern, text) for text in texts] for pattern, texts in cases]
    answers = zip(cases, ours, json.loads(run.stdout), strict=True)
    assert [(case, own, theirs) for case, own, theirs in answers if own != theirs] == []
    assert len(cases) > 1000


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"^[\w-\.]+$", "a-.", True),
        (r"^[\w-\.]+$", "a+", False),
        (r"\<", "<", True),
        ("^{$", "{", True),
        ("^[^]$", "\n", True),
        (r"^\d$", "٣", False),
        ("a$", "a\n", False),
        ("^.$", "\r", False),
        ("^.$", "\u2028", False),
        ("^[a&&b]$", "&", True),
        ("^a{,2}$", "a{,2}", True),
        (r"^\ud83d\ude00$", "😀", True),
    ],
)
def test_what_a_pattern_matches(pattern: str, text: str, expected: bool) -> None:
    assert pattern_problem(pattern) == ""
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("/^a$/", "leave out the slashes"),
        ("/abc/i", "leave out the slashes"),
        (r"\ba", "name the characters around"),
        (r"\Aa", "write ^"),
        (r"a\z", "write $"),
        (r"\h", r"write [ \t]"),
        ("[]", r"write \[\]"),
        ("[[:alpha:]]", "write [A-Za-z]"),
        (r"\ud83d", "half a surrogate pair"),
        (r"\p{L}\<", "legal with the u flag"),
    ],
)
def test_what_differs_is_refused_with_advice(pattern: str, advice: str) -> None:
    assert advice in pattern_problem(pattern)


def test_a_plan_uses_the_translation_and_names_the_pattern_as_written(tmp_path: Path) -> None:
    rule = "type: track\nevent: A\nproperties: {patternProperties: {'^[\\w-\\.]+$': {pattern: '^.[\\w-\\.]$'}}}\n"
    plan = compile_plan(load_plan(make(tmp_path, {"plan.yaml": "name: p\n", "events/a.yaml": rule})))

    def messages(properties: dict[str, str]) -> list[str]:
        body = {"type": "track", "event": "A", "properties": properties}
        return [each.violation.message for each in plan.find(body).findings(body)]

    assert messages({"a-.": "x."}) == []
    assert messages({"a-.": "\r."}) == [r"expected text that matches ^.[\w-\.]$, got text that does not"]
    assert messages({"+": "x."}) == ["expected a planned property, got another name"]
