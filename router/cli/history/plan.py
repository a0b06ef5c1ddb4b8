"""What the command line of `router import` asks for, checked before a file is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from pathlib import Path

import typer

from router.cli.sender import Target
from router.config.loader import Loaded
from router.destinations.registry import destination_types
from router.document import Document, nearest
from router.errors import RouterError, UsageError
from router.history.formats import READERS, format_of
from router.history.intake import HistoryIntake
from router.history.map_file import check_columns, load_map
from router.history.opening import opened, unreadable
from router.history.row_events import STRIPPED, RowEvents
from router.history.rows import FileRow, HistoryFile
from router.mapping.mapping import Mapping as RowMapping


@dataclass(frozen=True)
class ImportPlan:
    """`only` are the names by which events may call each chosen destination; `mapping` with its file, if any."""

    loaded: Loaded
    source: str
    target: Target
    only: dict[str, tuple[str, ...]]
    keep: tuple[str, ...]
    form: str
    document: Document | None = None
    mapping: RowMapping | None = None

    @classmethod
    def of(
        cls, loaded: Loaded, source: str, map_file: Path | None, only: list[str], keep: list[str], form: str
    ) -> ImportPlan:
        """Raises UsageError, RouterError for a source or destination that is not there, FileError for a faulty map."""
        for field in keep:
            if field not in STRIPPED:
                raise UsageError(f"--keep: expected one of {', '.join(STRIPPED)}, got {field}")
        document, mapping = load_map(map_file) if map_file else (None, None)
        names = _names_of(loaded, only)
        return cls(loaded, source, Target(loaded.topology, source), names, tuple(keep), form, document, mapping)

    @property
    def map_digest(self) -> str:
        """What the mapping file is known by; empty without one."""
        text = self.document.text if self.document is not None else ""
        return blake2b(text.encode(), digest_size=8).hexdigest() if text else ""

    def events(self, identity: str) -> RowEvents:
        """What makes events of the rows of a file that is known by this."""
        return RowEvents(identity, self.mapping, keep=self.keep, only=self.only)

    def intake(self) -> HistoryIntake:
        return HistoryIntake(self.loaded.topology, self.source, self.target.topic, self.target.write_key)

    def format_of(self, file: HistoryFile) -> str:
        """Raises UsageError where the name says none, and for CSV without a mapping file."""
        kind = format_of(file.path, self.form)
        if kind == "csv" and self.mapping is None:
            raise UsageError(f"{file.name}: expected --map FILE for CSV, got none: --guess makes one from the header")
        return kind

    @contextmanager
    def rows(self, file: HistoryFile) -> Iterator[Iterator[FileRow]]:
        """The rows of a file whose columns are those that the map asks for. Raises UsageError, FileError."""
        kind = self.format_of(file)
        with opened(file.path, kind) as stream:
            rows = READERS[kind](stream, file)
            first = next(rows, None)  # by then a CSV reader has seen the header
            if first is None:
                raise unreadable(file.path, "expected rows below the header, got none")
            if kind == "csv" and self.document is not None:
                check_columns(self.document, file.columns, file.name)
            yield chain([first], rows)


def _names_of(loaded: Loaded, only: list[str]) -> dict[str, tuple[str, ...]]:
    types, topology = destination_types(), loaded.topology
    found = {}
    for name in only:
        config = topology.destinations.get(name)
        if config is None:
            hint = nearest(name, topology.destinations)
            did_you_mean = f" (did you mean {hint}?)" if hint else ""
            raise RouterError(f"--only: expected a destination of {topology.name}, got {name}{did_you_mean}")
        own = types[config.type].integrations if config.type in types else ()
        found[name] = (name, *([config.integration] if config.integration else ()), *own)
    if only:
        everything = [
            name for name in topology.enabled_destinations
            if name not in only and (kind := types.get(topology.destinations[name].type)) and kind.ignores_integrations
        ]  # fmt: skip
        if everything:
            typer.echo(f"note: {', '.join(everything)} gets these events too: it takes all there are", err=True)
    return found
