"""`router test`: the test files of topologies, run without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import report
from router.cli.options import Json

if TYPE_CHECKING:
    from router.config.loader import Loaded
    from router.topology_tests.cases import CaseFile
    from router.topology_tests.run import CaseOutcome


def command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Test files (*.test.yaml), or folders with test files.")
    ],
    as_json: Json = False,
) -> None:
    """Run topology tests. Placeholders stand for what topologies read from the environment."""
    from router.topology_tests.cases import find_test_files
    from router.topology_tests.run import run

    outcomes = [outcome for tests, loaded in _prepared(find_test_files(paths)) for outcome in run(tests, loaded)]
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        tests = [outcome.as_dict() for outcome in outcomes]
        report.current().answer({"passed": len(outcomes) - len(failed), "failed": len(failed), "tests": tests})
    else:
        _print(outcomes)
        typer.echo(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


def _prepared(paths: Sequence[Path]) -> list[tuple[CaseFile, Loaded]]:
    """The test files with their topologies. Raises FileError with what is wrong in any of them."""
    from router.errors import FileError, Problem

    prepared = []
    problems: list[Problem] = []
    for path in paths:
        try:
            prepared.append(_read(path))
        except FileError as error:
            problems += error.problems
    if problems:
        raise FileError(list(dict.fromkeys(problems)))
    return prepared


def _read(path: Path) -> tuple[CaseFile, Loaded]:
    from router.config.loader import load_topology
    from router.destinations.registry import destination_types
    from router.errors import FileError
    from router.topology_tests.cases import lint, read_tests

    tests = read_tests(path)
    loaded = load_topology(tests.topology, env={}, registry=destination_types(), placeholders=True)
    if problems := lint(tests, loaded.topology.sources, loaded.topology.destinations):
        raise FileError(problems)
    return tests, loaded


def _print(outcomes: Sequence[CaseOutcome]) -> None:
    for outcome in outcomes:
        typer.echo(f"{'pass' if outcome.passed else 'FAIL'}  {outcome.file}:{outcome.line}: {outcome.name}")
        for problem in outcome.problems:
            typer.echo(f"      {problem}")
        for difference in outcome.differences:
            typer.echo("\n".join(f"        {line}" for line in difference.splitlines()))
