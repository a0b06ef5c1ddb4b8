"""`filters:` in a topology: read as they are spelt, and every fault at its place, in the query too."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.filters import MAX_FILTERS
from tests.config import topologies
from tests.config.topologies import Pipe, load, problems, write

HEAD = "name: t\nsources: {web: {write_keys: [k]}}\ndestinations:\n  crm:\n    type: pipe\n    filters:\n"


def faults(folder: Path, filters: str) -> list[str]:
    return [text.partition(": ")[2] for text in problems(write(folder, "t.yaml", f"{HEAD}      - {filters}\n"))]


def test_every_form_is_read(tmp_path: Path) -> None:
    text = """\
      - {if: 'properties.total < 1', then: drop}
      - {if: 'event = "Product Viewed"', then: {sample: 0.1, by: userId}}
      - {then: {keep: [properties.order_id, properties.total]}}
      - {if: '!(source = "web")', then: {remove: [context.ip]}}
"""
    filters = load(write(tmp_path, "t.yaml", HEAD + text)).topology.destinations["crm"].filters

    assert [each.if_ for each in filters] == [
        "properties.total < 1", 'event = "Product Viewed"', None, '!(source = "web")',
    ]  # fmt: skip
    assert filters[0].then.drop is True
    assert (filters[1].then.sample, filters[1].then.by) == (0.1, "userId")
    assert filters[2].then.keep == ("properties.order_id", "properties.total")
    assert filters[3].then.remove == ("context.ip",)


AT = "destinations.crm.filters[0]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{if: 'event == 1', then: drop}",
            f"{AT}.if: expected a field, a function or a value at column 8 of the query, got '=' (did you mean =?)",
        ),
        (
            "{if: 'contain(event, 1)', then: drop}",
            f"{AT}.if: expected a function at column 1 of the query, got 'contain' (did you mean contains?)",
        ),
        ('{if: "a or\\n b = [1] < 2", then: drop}', f"{AT}.if: expected 'and' or 'or' or the end at line 2, column"),
        ("{if: 'a < [1]', then: drop}", f"{AT}.if: expected a number at column 5 of the query, got a list"),
        (f"{{if: 'a{' ' * 6000}', then: drop}}", f"{AT}.if: expected a query of at most 5120 bytes at column 1"),
        ("{if: 'a'}", f"{AT}.then: expected a value, got nothing"),
        (
            "{if: 'a', then: dorp}",
            f"{AT}.then: expected drop, or one of sample, keep and remove with its values, got dorp",
        ),
        *(
            (
                f"{{if: 'a', then: {odd}}}",
                f"{AT}.then: expected drop, or one of sample, keep and remove with its values, got {shown}",
            )
            for odd, shown in (("5", "5"), ("true", "true"), ("[drop]", "a list"))
        ),
        ("{then: {}}", f"{AT}.then: expected one of drop, sample, keep, remove, got none"),
        (
            "{then: {sample: 0.5, keep: [traits.a]}}",
            f"{AT}.then: expected one of drop, sample, keep, remove, got sample and keep",
        ),
        ("{then: {drop: false}}", f"{AT}.then: expected drop: true, got false"),
        ("{then: {keep: [traits.a], by: userId}}", f"{AT}.then: expected by beside sample, got it beside keep"),
        ("{then: {sample: 1.5}}", f"{AT}.then.sample: expected at most 1.0, got 1.5"),
        ("{then: {sample: 0.5, by: ''}}", f"{AT}.then.by: expected a path such as"),
        (
            "{then: {remove: [messageId]}}",
            f"{AT}.then.remove[0]: expected a field inside properties, traits, context, got messageId",
        ),
        (
            "{then: {keep: [properties]}}",
            f"{AT}.then.keep[0]: expected a field inside properties, traits, context, got properties",
        ),
        ("{then: {keep: []}}", f"{AT}.then.keep: expected a list of at least 1, got 0"),
        ("{then: {kep: [traits.a]}}", f"{AT}.then.kep: expected a known key, got kep (did you mean keep?)"),
        ("{iff: 'a', then: drop}", f"{AT}.iff: expected a known key, got iff (did you mean if?)"),
    ],
)
def test_a_fault_is_named_with_its_place_in_file_and_query(tmp_path: Path, text: str, said: str) -> None:
    found = faults(tmp_path, text)

    assert len(found) == 1, found
    assert found[0].startswith(said), found


def test_a_problem_stands_at_the_query_s_line(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, "t.yaml", f"{HEAD}      - if: 'a b'\n        then: drop\n"))

    assert problem.startswith("t.yaml:7:13: ")


def test_there_is_an_end_to_filters(tmp_path: Path) -> None:
    text = "\n      - ".join(["{if: 'a', then: drop}"] * 10_000)

    assert faults(tmp_path, text) == [f"destinations.crm.filters: expected a list of at most {MAX_FILTERS}, got 10000"]


def test_what_gets_every_event_whole_takes_no_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = type("Archive", (Pipe,), {"ignores_integrations": True})
    monkeypatch.setattr(topologies, "REGISTRY", {"pipe": archive})

    assert faults(tmp_path, "{then: drop}") == [
        "destinations.crm.filters: expected no filters, got some: a pipe gets every event whole"
    ]
