"""A plan as one page that needs nothing else: no requests, light and dark, with a search over events and properties.

Everything that comes from the plan is escaped; a content security policy allows the page's own style and script, by
their hashes, and nothing from elsewhere.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from router.plan.model import CALL_TYPES, Plan
from router.plan_tools.exporters.exported import Exported
from router.plan_tools.exporters.outline import OutlineEntry, OutlinePart, Row, common, entries
from router.plan_tools.exporters.tags import Html, join, tag

_KINDS = {
    "track": "Events",
    "page": "Pages",
    "screen": "Screens",
    "alias": "Aliases",
    "identify": "People",
    "group": "Groups",
}


def html(plan: Plan) -> Exported:
    """The whole plan as one HTML file."""
    style, script = (Path(__file__).with_name(name).read_text("utf-8") for name in ("page.css", "page.js"))
    listed = entries(plan)
    body = tag("body", _top(plan, listed), tag("div", _sidebar(plan, listed), _main(plan, listed), cls="layout"))
    page = tag("html", _head(plan, style, script), body, Html(f"<script>{script}</script>"), lang="en")
    return Exported(f"<!doctype html>\n{page}\n")


def _head(plan: Plan, style: str, script: str) -> Html:
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; base-uri 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{plan.name}: tracking plan"),
        tag("link", rel="icon", href="data:,"),
        Html(f"<style>{style}</style>"),
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _top(plan: Plan, listed: list[OutlineEntry]) -> Html:
    search = tag(
        "input",
        type="search",
        id="search",
        placeholder="Search events, properties, owners",
        autocomplete="off",
        spellcheck="false",
        aria_label="Search the plan",
    )
    count = tag("output", f"{len(listed)} rules", id="count", for_="search")
    theme = tag("button", tag("span", "◐", aria_hidden="true"), type="button", id="theme", title="Light or dark")
    return tag(
        "header",
        tag(
            "a", tag("span", plan.name[:1].upper(), cls="mark", aria_hidden="true"), plan.name, href="#top", cls="brand"
        ),
        tag("div", search, tag("kbd", "/"), cls="search", role="search"),
        count,
        theme,
        cls="top",
        id="top",
    )


def _sidebar(plan: Plan, listed: list[OutlineEntry]) -> Html:
    groups = []
    for call_type in CALL_TYPES:
        members = [entry for entry in listed if entry.rule.type == call_type]
        links = [tag("li", _link(entry)) for entry in members]
        if links:
            heading = tag("h2", _KINDS[call_type], tag("span", str(len(links))))
            groups.append(tag("section", heading, tag("ul", links)))
    if common(plan):
        groups.append(tag("section", tag("ul", tag("li", tag("a", "Every event", href="#common")))))
    return tag("nav", groups, aria_label="Rules")


def _link(entry: OutlineEntry) -> Html:
    version = tag("small", f"v{entry.rule.version}") if entry.versions > 1 else None
    return tag("a", tag("span", entry.title), version, href=f"#{entry.anchor}", data_for=entry.anchor)


def _main(plan: Plan, listed: list[OutlineEntry]) -> Html:
    facts = [
        (name, value) for name, value in (("Owners", ", ".join(plan.owners)), ("Revision", plan.revision)) if value
    ]
    intro = tag(
        "section",
        tag("h1", plan.name),
        tag("p", plan.description) if plan.description else None,
        tag("dl", [(tag("dt", name), tag("dd", value)) for name, value in facts]) if facts else None,
        _labels(plan.labels.items()),
        cls="intro",
    )
    cards = [_card(entry) for entry in listed]
    shared = common(plan)
    every = [tag("article", tag("h2", "Every event"), map(_table, shared), id="common")] if shared else []
    nothing = tag("p", "Nothing in this plan says that.", id="nothing", hidden=True)
    return tag("main", intro, cards, every, nothing)


def _card(entry: OutlineEntry) -> Html:
    rule = entry.rule
    heading = tag(
        "h2",
        tag("span", entry.title),
        tag("span", f"version {rule.version}", cls="version") if entry.versions > 1 else None,
        tag("a", "#", href=f"#{entry.anchor}", cls="anchor", aria_label=f"Link to {entry.title}"),
    )
    facts = [(name, value) for name, value in (("Why", rule.why), ("Owner", rule.owner)) if value]
    return tag(
        "article",
        tag("p", tag("span", rule.type, cls=f"kind {rule.type}"), cls="over"),
        heading,
        tag("p", rule.description, cls="description") if rule.description else None,
        tag("dl", [(tag("dt", name), tag("dd", value)) for name, value in facts]) if facts else None,
        _labels(rule.labels.items()),
        map(_table, entry.parts),
        _examples(entry),
        id=entry.anchor,
        data_text=_searched(entry),
    )


def _searched(entry: OutlineEntry) -> str:
    """All that a search looks at: names first, then words."""
    rule = entry.rule
    rows = [row for part in entry.parts for row in part.rows]
    labels = [f"{name}:{value}" for name, value in rule.labels.items()]
    words = [entry.title, rule.type, rule.owner, *labels, *(row.path for row in rows), rule.description, rule.why]
    return " ".join([*words, *(row.description for row in rows)]).casefold()


def _labels(labels: object) -> Html | None:
    pairs = [f"{name}: {value}" if value else name for name, value in labels]  # type: ignore[attr-defined]
    buttons = [
        tag("button", text, type="button", data_search=text.replace(": ", ":"), title="Show all") for text in pairs
    ]
    return tag("p", buttons, cls="labels") if buttons else None


def _table(part: OutlinePart) -> Html | None:
    if not part.rows:
        return None
    head = tag("thead", tag("tr", [tag("th", name, scope="col") for name in (part.section, "Type", "Description")]))
    body = tag("tbody", [_row(row) for row in part.rows])
    return tag("div", tag("table", head, body), cls="scroll")


def _row(row: Row) -> Html:
    before = row.path[: len(row.path) - len(row.name)]
    must = tag("span", "required", cls="must") if row.required else None
    name = tag("code", tag("span", before, cls="path") if before else None, row.name)
    told = [tag("span", row.description)] if row.description else []
    told += [tag("span", [tag("code", option) for option in row.options], cls="options")] if row.options else []
    told += [tag("span", [_limit(limit) for limit in row.limits], cls="limits")] if row.limits else []
    when = tag("span", row.condition, cls="when") if row.condition else None
    return tag(
        "tr",
        tag("th", name, must, when, scope="row", cls=f"deep-{min(row.depth, 4)}"),
        tag("td", row.types, cls="type"),
        tag("td", told),
    )


def _limit(limit: str) -> Html:
    words, _, rest = limit.partition(" ")
    return tag("span", "matches ", tag("code", rest)) if words == "matches" else tag("span", limit)


def _examples(entry: OutlineEntry) -> Html:
    shown = [_valid(example.value) for example in entry.valid[:2]]
    return join(tag("div", shown, cls="examples") if shown else None, _invalid(entry))


def _valid(value: object) -> Html:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    copy = tag("button", "Copy", type="button", cls="copy")
    return tag("figure", tag("figcaption", "Example", copy), tag("pre", tag("code", text)))


def _invalid(entry: OutlineEntry) -> Html | None:
    items = list(_refused(entry))
    if not items:
        return None
    count = f"{len(items)} that must fail" if len(items) > 1 else "One that must fail"
    return tag("details", tag("summary", count), tag("ul", items))


def _refused(entry: OutlineEntry) -> Iterator[Html]:
    for example in entry.invalid:
        places = [tag("code", place or "(all of it)") for place in example.fails]
        value = tag("code", json.dumps(example.value, ensure_ascii=False))
        why = [tag("span", " fails at ", places)] if places else []
        yield tag("li", value, why, tag("span", f": {example.description}") if example.description else None)
