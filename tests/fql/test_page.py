"""What topologies/README.md shows of filters is true: the examples of the language, and of a topology."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from router.config.loader import load_topology
from router.destinations.registry import destination_types
from router.fql import compile_query
from router.fql.functions import FUNCTIONS
from router.topology_tests.cases import read_tests
from router.topology_tests.run import run
from tests.config.topologies import write

PAGE = (Path(__file__).parents[2] / "topologies/README.md").read_text("utf-8")
SECTION = PAGE.partition("\n## Filters")[2].partition("\n## ")[0]
BLOCKS = dict(re.findall(r"```(yaml|fql|json)\n(.*?)```", SECTION, re.DOTALL))
EXAMPLES = [tuple(re.split(r" +# ", line)) for line in BLOCKS["fql"].splitlines()]
TESTS = """\
topology: [filtered.yaml]
tests:
  - name: filters of the page
    given:
      - {type: track, event: Order Completed, userId: u1, messageId: m1, context: {ip: 192.0.2.1, locale: de},
         properties: {order_id: "1", total: 9.5, note: x, products: [{sku: a, price: 1}, {sku: b}]}}
      - {type: track, event: Order Completed, userId: u1, messageId: m2, properties: {total: 0.5}}
      - {type: track, event: Order Completed, userId: u1, messageId: m3, properties: {total: a lot}}
      - {source: ios, type: track, event: App Opened, userId: u1, messageId: m4, context: {ip: 192.0.2.1},
         properties: {note: x}}
      - {source: ios, type: identify, userId: u1, messageId: m5, traits: {plan: gold}, context: {ip: 192.0.2.1}}
    expect:
      crm:
        - {messageId: m1, context: {ip: null, locale: de},
           properties: {order_id: "1", total: 9.5, note: null, products: [{sku: a, price: null}, {sku: b}]}}
        - {messageId: m4, context: {ip: 192.0.2.1}, properties: {note: null}}
        - {messageId: m5, traits: {plan: gold}, context: {ip: 192.0.2.1}}
      resolved: [{context: {ip: 192.0.2.1}, properties: {note: x}}, {}, {}, {properties: {note: x}}, {}]
      filtered:
        - {destination: crm, reason: filter, count: 1}
        - {destination: crm, reason: filter_error, count: 1}
"""


@pytest.mark.parametrize(("query", "result"), EXAMPLES)
def test_an_example_gives_what_the_page_says(query: str, result: str) -> None:
    event: dict[str, Any] = json.loads(BLOCKS["json"])

    got = compile_query(query).evaluate(event, "web")

    assert (str(got).lower() if isinstance(got, bool) else str(got)) == result


def test_every_function_is_on_the_page() -> None:
    assert [name for name in FUNCTIONS if f"`{name}" not in SECTION] == []


def test_the_topology_does_what_the_page_says(tmp_path: Path) -> None:
    write(tmp_path, "filtered.yaml", BLOCKS["yaml"])
    tests = read_tests(write(tmp_path, "filtered.test.yaml", TESTS))
    loaded = load_topology(tests.topology, env={}, registry=destination_types(), placeholders=True)

    (outcome,) = run(tests, loaded)

    assert outcome.problems == (), outcome.differences
