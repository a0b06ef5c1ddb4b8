"""What is exported can be imported again, and read by people, whatever the plan holds."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from markdown_it import MarkdownIt

from router.plan import Plan, compile_plan, load_plan
from router.plan.model import Rule
from router.plan_tools.exporters import FORMATS
from router.plan_tools.exporters.markdown import code, escape
from router.plan_tools.importers import import_plan
from router.plan_tools.store import store
from tests.plan_tools.folders import found, on_disk
from tests.plan_tools.strategies import plans

SHOP = Path(__file__).parents[2] / "schemas/shop"
CHECKS = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
HOSTILE = "<script>alert(1)</script> & \"quotes\" 'single' `code` | bar * _ [x](http://evil.example)"


def again(plan: Plan, folder: Path) -> Plan:
    """The plan after an export for Segment and an import of that."""
    file = folder / "segment.json"
    file.write_text(FORMATS["segment"](plan).text, "utf-8")
    return import_plan([file]).plan


def bare(plan: Plan) -> tuple[Any, ...]:
    """All that a plan says, without the names of its files."""
    rules = [replace(rule, file="") for rule in plan.rules]
    rules.sort(key=lambda rule: (rule.type, rule.name or "", rule.version))
    return plan.name, plan.description, plan.owners, plan.labels, plan.naming, plan.common, rules


@settings(max_examples=80, suppress_health_check=CHECKS, deadline=None)
@given(plans())
def test_importing_the_export_for_segment_gives_the_same_plan(tmp_path: Path, plan: Plan) -> None:
    assert bare(again(plan, tmp_path)) == bare(plan)


def test_references_are_written_out_and_mean_the_same(tmp_path: Path) -> None:
    shop = load_plan(SHOP)
    plan = on_disk(again(shop, tmp_path), tmp_path / "plan")

    assert not plan.defs
    assert plan.naming == shop.naming
    ours, theirs = compile_plan(shop), compile_plan(plan)
    for rule in shop.rules:
        for example in rule.examples:
            body = {"type": rule.type, "event": rule.name, "name": rule.name, rule.section: example.value}
            body["context"] = {"protocols": {"event_version": rule.version}}
            assert found(theirs, **body) == found(ours, **body)
            assert (found(theirs, **body) == []) is example.valid


def test_a_schema_that_refers_to_itself_is_exported_with_definitions(tmp_path: Path) -> None:
    tree = {"$ref": "../defs/tree.yaml#/$defs/tree"}
    defs = {
        "$defs": {
            "tree": {"type": "object", "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/$defs/tree"}}}
        }
    }
    rule = Rule("track", "A B", schemas={"properties": {"type": "object", "properties": {"tree": tree}}})
    store(Plan("p", (rule,), defs={"defs/tree.yaml": defs}), tmp_path / "old")

    plan = compile_plan(again(load_plan(tmp_path / "old"), tmp_path))

    assert found(plan, event="A B", properties={"tree": {"n": 1, "next": {"n": 2}}}) == []
    assert found(plan, event="A B", properties={"tree": {"next": {"next": {"n": "x"}}}}) == [
        ("Type", "/properties/tree/next/next/n")
    ]


def test_segments_api_can_read_every_rule() -> None:
    data = orjson.loads(FORMATS["segment"](load_plan(SHOP)).text)

    assert data["trackingPlan"]["type"] == "LIVE"
    kinds = {"TRACK", "IDENTIFY", "GROUP", "PAGE", "SCREEN", "COMMON"}
    for rule in data["rules"]:
        assert rule["type"] in kinds
        assert isinstance(rule["version"], int)
        assert set(rule["jsonSchema"]["properties"]) <= {"properties", "traits", "context"}
        assert "$ref" not in orjson.dumps(rule).decode()


def test_what_segment_cannot_say_is_told(tmp_path: Path) -> None:
    plan = Plan("p", (Rule("alias", schemas={"message": {"required": ["userId"]}}), Rule("page", "Home")))

    warnings = [str(problem) for problem in FORMATS["segment"](plan).warnings]

    assert len(warnings) == 2
    assert "one of alias calls" in warnings[0]
    assert "which Segment does not tell apart" in warnings[1]


class Reader(HTMLParser):
    """What a page holds: its tags, its texts, and whether all is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(plan: Plan) -> Reader:
    reader = Reader()
    reader.feed(FORMATS["html"](plan).text)
    assert reader.open == []
    return reader


def hostile() -> Plan:
    schema = {"type": "object", "properties": {HOSTILE: {"enum": [HOSTILE], "description": HOSTILE, "pattern": "<b>"}}}
    rule = Rule("track", HOSTILE, 1, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, {"properties": schema})
    return Plan(HOSTILE, (rule,), HOSTILE, (HOSTILE,))


def test_a_page_escapes_everything() -> None:
    reader = page(hostile())

    assert [tag for tag, _ in reader.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert sum(HOSTILE in text for text in reader.texts) >= 6


def test_a_page_needs_nothing_from_elsewhere() -> None:
    reader = page(load_plan(SHOP))
    attributes = [attributes for _, attributes in reader.tags]
    links = [each[name] or "" for each in attributes for name in ("src", "href") if name in each]

    assert links
    assert all(link.startswith(("#", "data:,")) for link in links)
    text = FORMATS["html"](load_plan(SHOP)).text
    (policy,) = [each["content"] or "" for each in attributes if "http-equiv" in each]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)


def test_a_page_has_a_place_for_every_rule_and_every_link_leads_to_one() -> None:
    reader = page(load_plan(SHOP))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    targets = {attributes["href"] for tag, attributes in reader.tags if tag == "a"}

    assert len(ids) == len(set(ids))
    assert targets <= {f"#{name}" for name in ids}
    assert sum(tag == "article" for tag, _ in reader.tags) == len(load_plan(SHOP).rules) + 1


def test_markdown_is_one_table_a_section_and_links_that_lead_somewhere() -> None:
    text = FORMATS["markdown"](load_plan(SHOP)).text
    tokens = MarkdownIt("commonmark").enable("table").parse(text)

    assert sum(token.type == "table_open" for token in tokens) == 12
    targets = re.findall(r"\]\(#([^)]*)\)", text)
    assert set(targets) <= set(re.findall(r'<a id="([^"]*)"', text))
    assert "one of `organic`, `invited`, `campaign`" in text


def test_markdown_escapes_everything() -> None:
    rendered = MarkdownIt("commonmark").enable("table").render(FORMATS["markdown"](hostile()).text)

    assert "<script>" not in rendered
    assert 'href="http' not in rendered
    assert rendered.count("<th>") == 4
    assert rendered.count("<td>") == 4


@pytest.mark.parametrize(
    ("text", "expected"), [("a|b", "a\\|b"), ("a\nb", "a b"), ("*x*", "\\*x\\*"), ("<b>", "\\<b\\>")]
)
def test_text_in_markdown(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_code_in_markdown() -> None:
    assert code("a`b|c") == "`` a`b\\|c ``"
    assert code("") == ""


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(plans())
def test_any_plan_becomes_documents(plan: Plan) -> None:
    reader = page(plan)

    assert sum(tag == "article" for tag, _ in reader.tags) >= len(plan.rules)
    assert FORMATS["markdown"](plan).text.startswith("# ")
