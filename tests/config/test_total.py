"""Whatever stands in a topology or test file: it loads, or its problems are told; nothing else is raised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import FileError, Problem
from router.topology_tests.cases import lint, read_tests
from tests.config.topologies import load

WORDS = (
    "name sources destinations defaults include topics prefix write_keys plan enforce identify violation type settings"
    " port token delivery batch count timeout default_source web crm source destination events except limits mask"
    " forward_blocked_to tests given expect now at raw topology duplicates"
)
KEYS = st.sampled_from(WORDS.split())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["web", "pipe", "crm", "${A}", "${B}", "${B:-x}", "${file:/none}", "${", "$${", "10s", "*", "!", ""]
    ),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(KEYS, st.text(max_size=3)), inner, max_size=4)
    ),
    max_leaves=20,
)
TOPOLOGIES = st.dictionaries(KEYS, VALUES, max_size=6)
NEARLY = st.fixed_dictionaries(
    {
        "name": st.just("t"),
        "sources": st.dictionaries(st.sampled_from(["web", "app"]), st.dictionaries(KEYS, VALUES, max_size=3)),
        "destinations": st.dictionaries(
            st.sampled_from(["crm", "lake"]),
            st.dictionaries(KEYS, VALUES, max_size=3).map(lambda part: {**part, "type": "pipe"}),
        ),
    },
    optional={"defaults": VALUES, "topics": VALUES, "default_source": VALUES},
)
quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(folder: Path, data: Any, *, placeholders: bool) -> None:
    path = folder / "t.yaml"
    path.write_text(json.dumps(data, ensure_ascii=True), "utf-8")
    problems: tuple[Problem, ...] = ()
    try:
        load(path, env={"A": "1"}, placeholders=placeholders)
    except FileError as error:
        problems = error.problems or (Problem("", 0, 0, "", "no problem is told"),)
    for problem in problems:
        assert problem.message.startswith("expected ")
        assert ", got " in problem.message


@pytest.mark.parametrize("placeholders", [False, True])
@quick
@given(data=st.one_of(VALUES, TOPOLOGIES, NEARLY))
def test_a_topology_file_loads_or_its_problems_are_told(tmp_path: Path, data: Any, placeholders: bool) -> None:
    check(tmp_path, data, placeholders=placeholders)


@quick
@given(data=st.one_of(VALUES, st.fixed_dictionaries({"tests": st.lists(st.dictionaries(KEYS, VALUES), min_size=1)})))
def test_a_test_file_is_read_or_its_problems_are_told(tmp_path: Path, data: Any) -> None:
    (tmp_path / "t.yaml").write_text("")
    path = tmp_path / "t.test.yaml"
    path.write_text(json.dumps(data), "utf-8")
    try:
        found = lint(read_tests(path), ["web"], ["crm"])
    except FileError as error:
        found = list(error.problems)
    assert all(problem.message.startswith("expected ") for problem in found)
