"""Files that hold several tracking plans: which of them an import is of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from router.document import nearest
from router.errors import FileError, Problem
from router.plan_tools.importers.assemble import text
from router.plan_tools.importers.rudder_project import PLANS, is_project_file
from router.plan_tools.importers.segment_public import plan_resources
from router.plan_tools.importers.source import Source


class _Held(NamedTuple):
    """One of the plans that a file holds: all it is known by, the file, and the file's data with this plan alone."""

    names: tuple[str, ...]
    source: Source
    alone: Any


def one_plan(sources: Sequence[Source], wanted: str | None) -> list[Source]:
    """The files with one plan left of those they hold, by its name, id or address.

    Raises FileError where they hold several and none is wanted, or where the one that is wanted is not among them.
    """
    held = [plan for source in sources for plan in _held(source)]
    if wanted is None and len(held) < 2:
        return list(sources)
    if not held:
        message = "expected a project, a Terraform state or a list of plans to choose from, got files of one plan"
        raise FileError([source.problem(message) for source in sources[:1]])
    fitting = [plan for plan in held if wanted in plan.names]
    if len(fitting) != 1:
        raise FileError([_unclear(held, wanted)])
    chosen = fitting[0]
    holders = {plan.source.path for plan in held}
    others = [source for source in sources if source.path not in holders]
    return [replace(chosen.source, data=chosen.alone), *others]


def _unclear(held: Sequence[_Held], wanted: str | None) -> Problem:
    source, first = held[0].source, [plan.names[0] for plan in held]
    shown = ", ".join(first if len(set(first)) == len(first) else [" = ".join(plan.names) for plan in held])
    if wanted is None:
        return source.problem(f"expected one tracking plan, got several; choose one with --plan: {shown}")
    known = [name for plan in held for name in plan.names]
    what = "several of this name" if wanted in known else "none of this name"
    return source.problem(f"expected one plan {wanted} among {shown}, got {what}", nearest(wanted, known))


def _held(source: Source) -> Iterator[_Held]:
    data = source.data
    if is_project_file(source):
        if data["kind"] in PLANS:
            spec, metadata = (data[key] if isinstance(data.get(key), dict) else {} for key in ("spec", "metadata"))
            names = _names(spec.get("display_name"), metadata.get("name"), spec.get("id"))
            yield _Held(names, source, data)
        return
    plans = data.get("tracking_plans") if isinstance(data, dict) else None
    for plan in plans if isinstance(plans, list) else ():
        if isinstance(plan, dict):
            yield _Held(_names(plan.get("display_name"), plan.get("name")), source, {"tracking_plans": [plan]})
    for resource in plan_resources(data):
        names = _names(resource["values"].get("name"), resource.get("address"), resource.get("name"))
        yield _Held(names, source, {"values": {"root_module": {"resources": [resource]}}})


def _names(*names: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(text, names)))) or ("(no name)",)
