"""A plan as a Markdown document: a table of contents, and for each rule its properties and an example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from router.plan.model import Plan
from router.plan_tools.exporters.exported import Exported
from router.plan_tools.exporters.outline import OutlineEntry, OutlinePart, Row, common, entries

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def markdown(plan: Plan) -> Exported:
    """The whole plan as one document."""
    listed = entries(plan)
    lines = [f"# {escape(plan.name)}", ""]
    if plan.description:
        lines += [escape(plan.description), ""]
    lines += _about(plan)
    lines += [f"- [{escape(_heading(entry))}](#{entry.anchor})" for entry in listed] + [""]
    for entry in listed:
        lines += _entry(entry)
    if parts := common(plan):
        lines += ['<a id="common"></a>', "", "## Every event", ""]
        lines += [line for part in parts for line in _part(part)]
    return Exported("\n".join(lines).rstrip() + "\n")


def escape(text: str) -> str:
    """Text that Markdown takes as it stands, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Text as code, also inside a table."""
    text = " ".join(text.split()).replace("|", "\\|")
    fence = "``" if "`" in text else "`"
    return f"{fence}{' ' if fence == '``' else ''}{text}{' ' if fence == '``' else ''}{fence}" if text else ""


def _about(plan: Plan) -> list[str]:
    told = [f"Owners: {escape(', '.join(plan.owners))}"] if plan.owners else []
    told += [f"Labels: {_labels(plan.labels.items())}"] if plan.labels else []
    told += [f"Revision: {code(plan.revision)}"] if plan.revision else []
    return [" · ".join(told), ""] if told else []


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    return ", ".join(code(f"{name}: {value}" if value else name) for name, value in labels)


def _heading(entry: OutlineEntry) -> str:
    version = f", version {entry.rule.version}" if entry.versions > 1 or entry.rule.version > 1 else ""
    return f"{entry.title} ({entry.rule.type}{version})"


def _entry(entry: OutlineEntry) -> Iterator[str]:
    rule = entry.rule
    yield from (f'<a id="{entry.anchor}"></a>', "", f"## {escape(_heading(entry))}", "")
    if rule.description:
        yield from (escape(rule.description), "")
    if rule.why:
        yield from (f"**Why:** {escape(rule.why)}", "")
    told = [f"**Owner:** {escape(rule.owner)}"] if rule.owner else []
    told += [f"**Labels:** {_labels(rule.labels.items())}"] if rule.labels else []
    if told:
        yield from (" · ".join(told), "")
    for part in entry.parts:
        yield from _part(part)
    for example in entry.valid[:1]:
        text = json.dumps(example.value, ensure_ascii=False, indent=2)
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
        yield from ("Example:", "", f"{fence}json", text, fence, "")


def _part(part: OutlinePart) -> Iterator[str]:
    if not part.rows:
        return
    yield from (f"| {part.section} | Type | Required | Description |", "| --- | --- | --- | --- |")
    for row in part.rows:
        yield f"| {code(row.path)} | {escape(row.types)} | {_required(row)} | {_description(row)} |"
    yield ""


def _required(row: Row) -> str:
    answer = "yes" if row.required else ""
    return f"{answer} {escape(row.condition)}".strip()


def _description(row: Row) -> str:
    told = [escape(row.description)] if row.description else []
    told += ["one of " + ", ".join(map(code, row.options))] if row.options else []
    told += [_limit(limit) for limit in row.limits]
    return "; ".join(part.rstrip(".") for part in told)


def _limit(limit: str) -> str:
    """A pattern is code, the rest words."""
    words, _, pattern = limit.partition(" ")
    return f"matches {code(pattern)}" if words == "matches" else escape(limit)
