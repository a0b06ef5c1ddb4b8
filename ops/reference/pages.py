"""The pages that are made from the code, by their path in ops/reference, and code that pages of ours show."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from ops.reference.keys import Key, Section, Walk, table
from router.cli.destinations.listing import traits
from router.config.pulled import PULLED
from router.config.pulled import SUMMARY as PULLED_SUMMARY
from router.config.schema import topology_schema
from router.destinations.base import Connector
from router.destinations.describe import describe
from router.destinations.registry import destination_types
from router.events.described import HEADERS, MEANINGS
from router.events.topics import DAY_MS, REGISTRY, Topics
from router.insights.answers import PARAMETERS
from router.insights.schema import ANSWERS, SHARED, InsightsModel
from router.partner_sources.base import PartnerSource
from router.partner_sources.catalog import PARTNER_SOURCES
from router.plan.schema import PlanFile, plan_schema

FOLDER = Path(__file__).parent
MADE = "<!-- Made from the code by `python -m ops.reference`: change it there. -->"
_SHOWN = re.compile(r"(<!-- file: (\S+) -->\n```\w+\n).*?^```$", re.DOTALL | re.MULTILINE)
_ELSEWHERE = frozenset({"destinations.<name>.settings", "defaults.source", "defaults.destination"})
_PLAN_FILES: tuple[tuple[str, PlanFile], ...] = (
    ("plan.yaml", "plan"),
    ("events/*.yaml, identify.yaml, group.yaml", "rule"),
    ("common.yaml", "common"),
)


def pages() -> dict[str, str]:
    """The text of each page that is made, and of each of ours that shows files as they stand now."""
    types = destination_types()
    made = {
        "topology.md": topology(),
        "plan.md": plan(),
        "topics.md": topics(),
        "sources.md": sources(),
        "insights.md": insights(),
        "destinations/README.md": listing(types),
    }
    made |= {f"destinations/{name}.md": destination(connector) for name, connector in types.items()}
    ours = {name: text for name, text in _there().items() if _SHOWN.search(text)}
    return made | {name: _SHOWN.sub(_shown, text) for name, text in ours.items()}


def stale() -> list[str]:
    """Pages whose file differs, is missing, or is made no more."""
    made, there = pages(), _there()
    differ = {name for name, text in made.items() if there.get(name) != text}
    return sorted(differ | {name for name, text in there.items() if MADE in text and name not in made})


def _there() -> dict[str, str]:
    return {str(path.relative_to(FOLDER)): path.read_text("utf-8") for path in FOLDER.rglob("*.md")}


def _shown(found: re.Match[str]) -> str:
    return found[1] + (FOLDER / found[2]).read_text("utf-8") + "```"


def _page(title: str, introduction: str, parts: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", MADE, introduction, *parts]) + "\n"


def _sections(sections: Iterable[Section], level: str = "##") -> list[str]:
    found = []
    for section in sections:
        found += [f"{level} `{section.path}`"] if section.path else []
        found += [section.description] if section.description else []
        found.append(table(section.keys))
    return found


def topology() -> str:
    """Every key of a topology file."""
    introduction = """\
Every key of a topology file; what they do together is in [topologies/README.md](../../topologies/README.md). Unknown
keys are refused; `name` and `sources` must be there. In place of any value may stand `${NAME}`, `${NAME:-default}` or
`${file:PATH}`. For editors: `router schema topology >topology.schema.json`, and as first line of the file
`# yaml-language-server: $schema=topology.schema.json`. The `settings` of a destination are those of its type:
[destinations](destinations/README.md)."""
    walk = Walk(topology_schema(destination_types()), skip=_ELSEWHERE)
    return _page("Keys of a topology", introduction, _sections(walk.sections()))


def plan() -> str:
    """Every key of a tracking plan's files."""
    introduction = """\
Every key of the files in a tracking plan's folder; what they do together is in
[schemas/README.md](../../schemas/README.md). Unknown keys are refused, but for those that begin with `x-`. For editors:
`router schema plan`, `router schema rule` and `router schema common` print the JSON Schema of each kind of file;
`# yaml-language-server: $schema=FILE` as first line names it. `defs/*.yaml` hold `$defs`, which schemas refer to."""
    parts = []
    for title, file in _PLAN_FILES:
        shown = ", ".join(f"`{name}`" for name in title.split(", "))
        parts += [f"## {shown}", *_sections(Walk(plan_schema(file)).sections(), "###")]
    return _page("Keys of a tracking plan", introduction, parts)


def topics() -> str:
    """Every topic, with its key, retention and headers."""
    introduction = """\
Every topic of a topology, before `topics.prefix`; `router topics show` has the names, partitions and settings of yours.
Producers key by `anonymousId`, else `userId`, hashed as the Java clients do (`partitioner=murmur2_random` in
librdkafka, whose own default differs). Values of headers are UTF-8, numbers decimal. Other headers of a producer, such
as `traceparent`, pass through to `events.resolved`, `events.blocked`, `dest.<name>` and dead letters."""
    ours = Topics("<topology>").specs(["<name>"], capped={"<name>": DAY_MS})
    specs = {spec.name: spec for spec in (*ours, REGISTRY)}
    rows = ["| Topic | What lies in it | Key | Kept |", "| --- | --- | --- | --- |"]
    for name, meaning in MEANINGS.items():
        spec = specs[name]
        rows.append(f"| `{name}` | {meaning} | {spec.key} | {_kept(spec.config)} |")
    headers = ["| Header | In | Meaning |", "| --- | --- | --- |"]
    for header in HEADERS:
        headers.append(f"| `{header.name}` | {', '.join(f'`{topic}`' for topic in header.topics)} | {header.meaning} |")
    return _page("Topics and headers", introduction, ["\n".join(rows), "## Headers", "\n".join(headers)])


def _kept(config: Any) -> str:
    if config["cleanup.policy"] == "compact":
        return "the last of each key"
    if config["cleanup.policy"] == "compact,delete":
        return "the last of each key, for a day beyond the time of the cap"
    milliseconds = int(config["retention.ms"])
    return "for ever" if milliseconds < 0 else f"{milliseconds / 86_400_000:g} days, unless the topology says otherwise"


def sources() -> str:
    """The types a source can have."""
    introduction = """\
The types a source can have, as `sources.<name>.type`, and the `settings` of each. Rows of a database are
[asked for](../../topologies/README.md#rows-of-a-database); all others post to `/v1/hooks/SOURCE`
([how to set them up](../../topologies/README.md#partners-as-sources)), and tables say what becomes of it."""
    definitions = topology_schema(destination_types())["$defs"]
    parts = []
    for name in PULLED:
        parts += [f"## `{name}`", f"{PULLED_SUMMARY}.", *_source_settings(name, definitions)]
    for name, partner in PARTNER_SOURCES.items():
        parts += [f"## `{name}`", *_partner(partner, _source_settings(name, definitions))]
    return _page("Types of sources", introduction, parts)


def _source_settings(name: str, definitions: Mapping[str, Any]) -> list[str]:
    schema = definitions[f"source-settings-{name}"]
    if not schema["properties"]:
        return []
    return _sections(Walk(schema | {"$defs": definitions}).sections(), "###")


def insights() -> str:
    """Every answer of insights."""
    introduction = """\
What `router insights` answers, as JSON: `GET http://127.0.0.1:9465/v1/funnel?since=24h&step=1h` (`router up` prints the
address of its own). Times are ISO 8601 in UTC. Counts are kept by the minute for 24 hours, by the hour for 14 days and
by the day for 13 months; the finest that reach back to `since` are taken. A table holds at most 1,000 names and says
how many events are left out. People are counted by a HyperLogLog sketch. A parameter that is not known, or not one of
the path, is answered 400 with `{"error": …}`. There is no login: keep the address on this machine."""
    parameters = ["| Parameter | Meaning |", "| --- | --- |"]
    parameters += [f"| `{name}` | {meaning} |" for name, meaning in PARAMETERS.items()]
    answers = [part for path, model in ANSWERS.items() for part in (f"## `{path}`", *_model(model))]
    shared = [part for model in SHARED for part in (f"## `{model.__name__}`", *_model(model))]
    return _page("Counts over time", introduction, ["\n".join(parameters), *answers, *shared])


def _model(model: type[InsightsModel]) -> list[str]:
    rows = ["| Field | Type | Meaning |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        kind = _kind(field.annotation).replace("|", "\\|")
        rows.append(f"| `{name}` | {kind} | {field.description or ''} |")
    return [inspect.cleandoc(model.__doc__ or ""), "\n".join(rows)]


def _kind(annotation: Any) -> str:
    """A type in JSON's words."""
    words = {int: "number", float: "number", str: "text", datetime: "time", type(None): "null", Any: "any"}
    if annotation in words:
        return words[annotation]
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " | ".join(f"`{one}`" for one in inner)
    if get_origin(annotation) is tuple:
        return f"list of {_kind(inner[0])}"
    if inner:
        return " | ".join(_kind(one) for one in inner)
    return f"[{annotation.__name__}](#{annotation.__name__.lower()})"


def _partner(partner: type[PartnerSource], settings: list[str]) -> list[str]:
    rows = [f"| `{theirs}` | {ours} |" for theirs, ours in partner.names.items()]
    events = ["\n".join(["| Theirs | Event |", "| --- | --- |", *rows])] if rows else []
    known = f"- Where: {partner.enter}\n- Known to be its: {partner.signature}"
    return [f"{partner.summary}.", known, *settings, *events]


def listing(types: Mapping[str, type[Connector]]) -> str:
    """All destination types."""
    introduction = """\
The types a destination can have, and the settings of each. `router destinations show TYPE` says the same,
`router destinations try NAME` shows the requests that an event becomes."""
    rows = ["| Type | |", "| --- | --- |"]
    rows += [f"| [{name}]({name}.md) | {connector.summary} |" for name, connector in types.items()]
    return _page("Destination types", introduction, ["\n".join(rows)])


def destination(connector: type[Connector]) -> str:
    """One destination type: what it does, its settings, an example."""
    described = describe(connector)
    about = re.sub(r"(?m)^(?=#)", "\\\\", described["about"])
    names = ", ".join(f"`{name}`" for name in described["integrations"]) or "its own name only"
    facts = "\n".join(f"- {fact}" for fact in (*traits(described), f"Names in an event's `integrations`: {names}"))
    keys = tuple(map(_setting, described["settings"]))
    settings = table(keys) if keys else "None."
    example = f"```yaml\n{described['example']}```"
    parts = [about, "## What it is like", facts, "## Settings", settings, "## Example", example]
    return _page(f"Destination type `{connector.type}`", f"{connector.summary}.", parts)


def _setting(setting: dict[str, Any]) -> Key:
    default = setting["default"]
    shown = "required" if setting["required"] else "" if default in (None, "") else f"`{_plain(default)}`"
    return Key(setting["name"], setting["type"].replace(" | ", " or "), shown, setting["description"])


def _plain(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)
