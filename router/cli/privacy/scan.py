"""`router privacy scan`: which fields of a topic's or a file's events hold personal data, of which class, how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from router.cli import report
from router.cli.loading import FOLDER, load, named_cluster, only_topology, require_broker
from router.cli.options import Json, TopologyOption, with_run_options
from router.cli.report import counted
from router.config.options import RunOptions
from router.errors import FileError, Problem

if TYPE_CHECKING:
    from router.config.shape import PrivacyConfig
    from router.events.reader import InputItem
    from router.privacy.scan import PrivacyScan

BUILT_IN: dict[str, Any] = {
    "email": {"color": "yellow", "names": ["*email*"], "values": "email"},
    "phone": {"color": "yellow", "names": ["*phone*", "mobile"], "values": "phone"},
    "ip": {"color": "yellow", "values": "ip"},
    "birthday": {"color": "yellow", "names": ["birthday", "birthdate", "birth_date", "dateOfBirth", "dob"]},
    "card": {"color": "red", "values": "card"},
    "iban": {"color": "red", "values": "iban"},
    "government-id": {"color": "red", "names": ["ssn", "*passport*", "*tax_id*", "*taxId*", "*national_id*"]},
    "credential": {"color": "red", "names": ["*password*", "*passwd*", "*secret*", "*access_token*", "*accessToken*"]},
}
"""Looked for where the topology names no classes."""


class _Item(NamedTuple):
    """What was read, and where. None in place of an event: it is none."""

    place: str
    body: dict[str, Any] | None


@with_run_options("bootstrap", "kafka", "env_file")
def command(
    targets: Annotated[
        list[str], typer.Argument(metavar="TOPIC|FILE", help="Files of events; what is no file is a topic.")
    ],
    count: Annotated[int, typer.Option("--count", min=0, help="Stop after this many messages of a topic; 0: all.")] = 0,
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Show which fields hold personal data, by the classes of the topology: counts and example places, never values.

    A topic is read from its beginning to its present end. Where no classes are named, common ones are looked for.
    """
    from router.privacy.scan import PrivacyScan

    privacy = _privacy(topology, options)
    scan = PrivacyScan(privacy.compiled())
    unreadable = 0
    for target in targets:
        for item in _file(Path(target)) if Path(target).is_file() else _topic(target, count, options):
            if item.body is None:
                unreadable += 1
            else:
                scan.add(item.body, item.place)
    rows = _rows(scan, privacy)
    if as_json:
        totals = {"events": scan.events, "personal": scan.personal, "unreadable": unreadable, "beyond": scan.beyond}
        report.current().answer({**totals, "fields": rows})
    else:
        typer.echo("\n".join(_lines(rows, scan, unreadable)))


def _privacy(topology: Sequence[Path], options: RunOptions) -> PrivacyConfig:
    """The topology's classes, else those that are built in."""
    from router.config.shape import PrivacyConfig

    if topology or any(FOLDER.glob("*.yaml")):
        privacy = load(topology or only_topology(), options, secrets=False).topology.privacy
        if privacy.classes:
            return privacy
    typer.echo(f"no privacy.classes in a topology: looking for {', '.join(BUILT_IN)}", err=True)
    return PrivacyConfig.model_validate({"classes": BUILT_IN})


def _file(path: Path) -> Iterator[_Item]:
    from router.cli.send_file import items

    try:
        stream = path.open("rb")
    except OSError as error:
        raise FileError([Problem(str(path), 0, 0, "", f"expected a readable file, got {error.strerror}")]) from error
    with stream:
        for item in items(stream, str(path)):
            if isinstance(item, Problem):
                raise FileError([item])
            yield _Item(_place(str(path), item), _body(item))


def _place(name: str, item: InputItem) -> str:
    from router.document import dotted

    line = f":{item.line}" if item.line else ""
    return f"{name}{line}" + (f" {dotted(item.path)}" if item.path else "")


def _topic(asked: str, count: int, options: RunOptions) -> Iterator[_Item]:
    from router.cli.tap import lying_there, resolve
    from router.events.parser import Repairs
    from router.events.reader import read
    from router.kafka.admin import Admin

    require_broker(options)
    cluster = named_cluster(options)
    topics = Admin(cluster).topics()
    topic = resolve(asked, topics)
    for message in lying_there(cluster, topic, count):
        place = f"{topic}:{message.partition()}:{message.offset()}"
        for item in read(message.value() or b"", Repairs()):
            yield _Item(place, _body(item))


def _body(item: InputItem) -> dict[str, Any] | None:
    from router.events.reader import merged

    body = merged(item.value, item.envelope)
    return body if isinstance(body, dict) else None


def _rows(scan: PrivacyScan, privacy: PrivacyConfig) -> list[dict[str, Any]]:
    """Red classes first, then by how often a field holds data."""
    rows = [
        {"class": name, "color": privacy.classes[name].color, "path": path}
        | {"values": found.values, "events": found.events, "example": found.example}
        for (name, path), found in scan.fields.items()
    ]
    return sorted(rows, key=lambda row: (row["color"], row["class"], -row["values"], row["path"]))


def _lines(rows: list[dict[str, Any]], scan: PrivacyScan, unreadable: int) -> Iterator[str]:
    if rows:
        titles = {"class": "class", "color": "color", "path": "field", "values": "values", "events": "events"}
        widths = {key: max(len(title), *(len(str(row[key])) for row in rows)) for key, title in titles.items()}
        yield "  ".join(f"{title:<{widths[key]}}" for key, title in titles.items()) + "  first at"
        for row in rows:
            yield "  ".join(f"{row[key]!s:<{widths[key]}}" for key in titles) + f"  {row['example']}"
        yield ""
    yield f"{counted(scan.events, 'event')}, {scan.personal} of them with personal data"
    if scan.beyond:
        yield f"{scan.beyond} values in further fields: too many different ones to list"
    if unreadable:
        yield f"not looked at, since they are no JSON objects: {counted(unreadable, 'item')}"
