"""Tracking plans from other systems: what the files are is told by what they contain.

Files in, a plan and warnings out. What cannot be said here becomes `x-…` in a schema, or is left out, with a warning
either way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from router.errors import FileError, Problem
from router.plan.model import Level, Plan
from router.plan_tools.importers.extras import is_ours
from router.plan_tools.importers.naming import naming_of
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.plans import one_plan
from router.plan_tools.importers.registry import FORMATS, Format
from router.plan_tools.importers.settle import settle
from router.plan_tools.importers.source import Source, read_sources
from router.plan_tools.importers.trial import refused
from router.plan_tools.lint import RULES, events, lint, properties, structure  # noqa: F401  they register their rules

__all__ = ["FORMATS", "Imported", "import_plan"]


@dataclass(frozen=True)
class Imported:
    """A plan that loads, the format it came from, and what did not carry over as it stood.

    `refused` is what the plan refuses and should not: examples of the source, events with all required properties.
    """

    plan: Plan
    format: Format
    warnings: tuple[Problem, ...]
    refused: tuple[Problem, ...] = ()


def import_plan(paths: Iterable[Path], name: str | None = None) -> Imported:
    """The plan that files (or folders of files) hold; of several, the one of this name.

    Raises FileError where they are of no known format, or of two, and where it is not clear which plan is meant.
    """
    sources = read_sources(paths)
    if not sources:
        raise FileError([Problem("", 0, 0, "", "expected files to import, got none")])
    sources = one_plan(sources, name)
    found = _format(sources)
    notes = Notes(str(sources[0].path))
    plan = settle(found.read(sources, notes), notes)
    if not any(is_ours(source.data) for source in sources):
        plan = _at_ease(replace(plan, naming=naming_of(plan)), notes)
    return Imported(plan, found, tuple(notes.found), tuple(refused(plan, notes.file)))


def _at_ease(plan: Plan, notes: Notes) -> Plan:
    """Names that stand in running systems cannot be changed by an import: lint rules they break only warn."""
    lenient: dict[str, Level] = {name: "off" for name, rule in RULES.items() if rule.level != "error"}
    strict = replace(plan, naming=replace(plan.naming, rules=lenient))
    broken = Counter(finding.rule for finding in lint(strict) if finding.level == "error")
    for rule, count in sorted(broken.items()):
        notes.add(
            f"expected names that keep to the lint rule {rule}, got {count} that do not; it only warns in this plan"
        )
    levels: dict[str, Level] = dict.fromkeys(sorted(broken), "warning")
    return replace(plan, naming=replace(plan.naming, rules=levels))


def _format(sources: list[Source]) -> Format:
    """The format of all files together; what is told of one file must hold for the others."""
    by_file = {source.path: next((form for form in FORMATS if form.claims(source)), None) for source in sources}
    chosen = {form.name: form for form in by_file.values() if form}
    titles = ", ".join(form.title for form in FORMATS)
    problems = [
        source.problem(f"expected one of these: {titles}, got another")
        for source in sources
        if not by_file[source.path]
    ]
    if len(chosen) > 1:
        problems += [
            Problem(str(path), 0, 0, "", f"expected files of one format, got {form.title}")
            for path, form in by_file.items()
            if form
        ]
    if problems:
        raise FileError(problems)
    return next(iter(chosen.values()))
