"""`router test`: the test files of topologies, run without a broker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import report
from router.cli.options import Json

if TYPE_CHECKING:
    from router.topology_tests.cases import CaseFile
    from router.topology_tests.run import Outcome


def command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Test files (*.test.yaml), or folders with test files.")
    ],
    as_json: Json = False,
) -> None:
    """Run topology tests. Placeholders stand for what topologies read from the environment."""
    from router.topology_tests.cases import find_test_files

    outcomes = [outcome for path in find_test_files(paths) for outcome in _run(path)]
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        tests = [outcome.as_dict() for outcome in outcomes]
        report.current().answer({"passed": len(outcomes) - len(failed), "failed": len(failed), "tests": tests})
    else:
        _print(outcomes)
        typer.echo(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


def _run(path: Path) -> Sequence[Outcome]:
    """The outcomes of one file. Raises FileError where it, or its topology, is wrong."""
    from router.config.loader import load_topology
    from router.destinations.registry import destination_types
    from router.topology_tests.cases import read_tests
    from router.topology_tests.run import run

    tests = read_tests(path)
    loaded = load_topology(tests.topology, env={}, registry=destination_types(), placeholders=True)
    _refuse_faults(tests, loaded.topology.sources, loaded.topology.destinations)
    return run(tests, loaded)


def _refuse_faults(tests: CaseFile, sources: Collection[str], destinations: Collection[str]) -> None:
    from router.errors import FileError
    from router.topology_tests.cases import lint

    problems = lint(tests, sources, destinations)
    if problems:
        raise FileError(problems)


def _print(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        typer.echo(f"{'pass' if outcome.passed else 'FAIL'}  {outcome.file}:{outcome.line}: {outcome.name}")
        for problem in outcome.problems:
            typer.echo(f"      {problem}")
        for difference in outcome.differences:
            typer.echo("\n".join(f"        {line}" for line in difference.splitlines()))
