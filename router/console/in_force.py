"""What decides whether a destination gets an event, and in which form: rules of the topology, in their order. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from router.config.models import DestinationConfig


class RuleInForce(NamedTuple):
    """`place` is its key in the topology; `held` events were kept back by it, None where it only changes them."""

    place: str
    says: str
    held: int | None = None


def rules_in_force(name: str, config: DestinationConfig, filtered: Mapping[str, int]) -> list[RuleInForce]:
    """`filtered` are counts by reason. A key that says nothing has no row, unless it has kept something back."""
    place = f"destinations.{name}"

    def count(*reasons: str) -> int:
        return sum(filtered.get(reason, 0) for reason in reasons)

    except_ = f"not {', '.join(config.except_)}" if config.except_ else ""
    names = "; ".join(filter(None, (", ".join(config.events), except_)))
    rows = [
        RuleInForce(f"{place}.sources", f"events of {', '.join(config.sources)}"),
        RuleInForce(f"{place}.types", ", ".join(config.types) or "every call type", count("type")),
        RuleInForce(f"{place}.events", names or "every name", count("event")),
        RuleInForce("integrations", "what the event's own integrations object switches off", count("integrations")),
    ]
    if config.device_mode is not None or count("device_mode"):
        rows.append(RuleInForce(f"{place}.device_mode", "not what a page has sent itself", count("device_mode")))
    if config.consent or count("consent"):
        rows.append(RuleInForce(f"{place}.consent", f"needs {', '.join(config.consent)}", count("consent")))
    for number, one in enumerate(config.filters):
        then = one.then.model_dump(mode="json", exclude_none=True)
        says = f"{f'if {one.if_}' if one.if_ else 'always'}: {_action(then)}"
        rows.append(RuleInForce(f"{place}.filters[{number}]", says))
    if config.filters:
        reasons = ("filter", "sample", "filter_error")
        rows.append(RuleInForce(f"{place}.filters", "all filters together", count(*reasons)))
    if config.transform:
        rows.append(RuleInForce(f"{place}.transform", config.transform))
    known = {"type", "event", "integrations", "device_mode", "consent", "filter", "sample", "filter_error"}
    rows += [RuleInForce(reason, "", number) for reason, number in filtered.items() if reason not in known]
    return rows


def _action(then: Mapping[str, Any]) -> str:
    if then.get("drop"):
        return "drop"
    if "sample" in then:
        return f"take {100 * then['sample']:g} %" + (f" by {then['by']}" if then.get("by") else "")
    kind = "keep" if "keep" in then else "remove"
    return f"{kind} {', '.join(then[kind])}"


def mapping_text(config: DestinationConfig) -> str:
    """The changes to what the connector makes of an event, as YAML; empty for none."""
    changed = config.map.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(changed, sort_keys=False, allow_unicode=True) if changed else ""
