"""The mapping file: targets of the event and where each comes from in a row, in the language of `map` everywhere else.

It is compared with the columns of what it is for, so that a name that is spelled wrong is found before a row is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from router.document import Document, nearest, read
from router.errors import FileError, Problem
from router.mapping.event_targets import TARGETS, event_mapping
from router.mapping.expression import FORMS
from router.mapping.mapping import Mapping as RowMapping
from router.mapping.path import MappingError, parts_of
from router.mapping.settings import place_of
from router.mapping.template import paths_of

_SHOWN = 12


def load_map(path: Path) -> tuple[Document, RowMapping]:
    """Raises FileError with all that is wrong in the file itself."""
    document = read(path)
    if not isinstance(document.data, dict) or not document.data:
        got = "a list" if isinstance(document.data, list) else "a text or a number" if document.data else "none"
        raise FileError([document.problem((), f"expected targets such as `userId: customer_id`, got {got}")])
    problems = [_target_problem(document, str(target)) for target in document.data]
    if any(problems):
        raise FileError([one for one in problems if one is not None])
    try:
        mapping = event_mapping(document.data)
    except MappingError as error:
        raise FileError([document.problem(place_of(document.data, error.at), error.problem)]) from error
    if "type" not in document.data and "event" not in document.data:
        raise FileError([document.problem((), "expected `event`, or `type: {value: identify}`, got neither")])
    return document, mapping


def check_columns(document: Document, columns: Collection[str], of: str) -> None:
    """Raises FileError where the map asks for a column that is not there; `of` is what has the columns."""
    problems = list(unknown_columns(document.data, columns, of, document))
    if problems:
        raise FileError(problems)


def unknown_columns(given: Mapping[str, Any], columns: Collection[str], of: str, at: Document) -> Iterator[Problem]:
    """A problem for each column that targets ask for and that is not among these."""
    known = set(columns)
    for target, expression in given.items():
        for column in columns_in(expression):
            if column not in known:
                listed = ", ".join(list(columns)[:_SHOWN]) + (", …" if len(columns) > _SHOWN else "")
                message = f"expected a column of {of} ({listed}), got {column}"
                yield at.problem((target,), message, nearest(column, columns))


def columns_in(given: Any) -> Iterator[str]:
    """The first names of all paths of an expression."""
    if isinstance(given, str):
        yield from parts_of(given)[:1]
    elif isinstance(given, list):
        for item in given:
            yield from columns_in(item)
    elif isinstance(given, Mapping):
        form = next((form for form in FORMS if form in given), None)
        if form == "template":
            for path in paths_of(given[form]):
                yield from parts_of(path)[:1]
        elif form != "value":
            yield from columns_in(given[form] if form else list(given.values()))


def _target_problem(document: Document, target: str) -> Problem | None:
    """An event has these fields and no others: `email: mail` alone would reach nobody."""
    name = target.partition(".")[0]
    if name in TARGETS:
        return None
    hint = nearest(name, TARGETS) or f"traits.{target}"
    return document.problem((target,), f"expected a field of an event, got {target}", hint, at_key=True)
