"""Destinations named for a delivery: those that get no events are refused, each with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.delivery.run import check_names
from router.errors import UsageError
from tests.config.topologies import load, write

TOPOLOGY = """
name: t
environment: prod
sources: {}
destinations:
  crm: {type: pipe}
  dark: {type: pipe, enabled: false}
  sandbox: {type: pipe, labels: {environment: staging}}
"""


def test_a_destination_that_gets_events_can_be_named(tmp_path: Path) -> None:
    check_names(load(write(tmp_path, "t.yaml", TOPOLOGY)).topology, ["crm"])


@pytest.mark.parametrize(
    ("name", "words"),
    [("crn", "did you mean crm"), ("dark", "has enabled: false"), ("sandbox", "is of another environment")],
)
def test_one_that_gets_none_is_refused_with_the_reason(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_names(load(write(tmp_path, "t.yaml", TOPOLOGY)).topology, ["crm", name])
