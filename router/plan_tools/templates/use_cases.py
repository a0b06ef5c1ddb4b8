"""Templates of use cases: each by its goal, and once for all the goals it serves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from router.plan_tools.templates.template import USE_CASE, Template


def read_use_cases(data: Mapping[str, Any]) -> dict[str, Template]:
    """`use-case/GOAL/NAME` for each use case of each goal, then `use-case/NAME`, by these names."""
    found: dict[str, Template] = {}
    served: defaultdict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for goal, group in data["goals"].items():
        for slug, ends in group["use_cases"].items():
            name = f"{USE_CASE}{goal}/{slug}"
            found[name] = _template(data, name, slug, [(goal, ends)])
            served[slug].append((goal, ends))
    return found | {USE_CASE + slug: _template(data, USE_CASE + slug, slug, goals) for slug, goals in served.items()}


def _template(
    data: Mapping[str, Any], name: str, slug: str, goals: Iterable[tuple[str, Mapping[str, Any]]]
) -> Template:
    case = data["use_cases"][slug]
    sources, destinations = (
        ", ".join(data["kinds"][kind] for kind in dict.fromkeys(kind for _, ends in goals for kind in ends[side]))
        for side in ("sources", "destinations")
    )
    titles = "; ".join(data["goals"][goal]["title"] for goal, _ in goals)
    needs = {key: tuple(names) for key, names in case["events"].items()}
    return Template(
        name,
        case["title"],
        f"{case['aim']} Events from: {sources}. They go to: {destinations}.",
        ("identify", *needs),
        allow=tuple(name for key in needs for name in data["allow"].get(key, ())),
        needs=needs,
        goal=titles,
    )
