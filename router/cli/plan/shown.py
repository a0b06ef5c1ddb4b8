"""What `router plan check` shows of events: offending values, masked as the topologies say, and sums by event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from router import document
from router.cli.loading import FOLDER
from router.cli.report import counted
from router.events.parser import encode
from router.mask import MASK, Mask

LONGEST = 60
_ABSENT = object()


def mask_of(topologies: Sequence[Path]) -> Mask:
    """The names that `mask` lists in these topology files; where none is named, in all of topologies/.

    Only that key is read, so that a part of a topology will do. Raises FileError for a file that is not YAML.
    """
    names: set[str] = set()
    for path in topologies or sorted(FOLDER.glob("**/*.yaml")):
        data = document.read(path).data
        listed = data.get("mask") if isinstance(data, Mapping) else None
        names.update(str(name) for name in listed if name) if isinstance(listed, list) else None
    return Mask(names)


def value_at(body: Mapping[str, Any], pointer: str, mask: Mask) -> str:
    """The value at a JSON pointer as text on one line, cut off when it is long; empty where there is none."""
    value: Any = body
    hidden = False
    for part in pointer.split("/")[1:]:
        step = part.replace("~1", "/").replace("~0", "~")
        hidden = hidden or mask.hides(step)
        value = _step(value, step)
        if value is _ABSENT:
            return ""
    if not pointer:
        return ""
    text = MASK if hidden else encode(mask.value(value)).decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _step(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step, _ABSENT)
    if isinstance(value, list) and step.isdigit() and int(step) < len(value):
        return value[int(step)]
    return _ABSENT


def summary(answers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each event name, those with most violations first: how many passed, and what is wrong, how often."""
    seen: Counter[str] = Counter()
    blocked: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    found: dict[str, Counter[str]] = {}
    for answer in answers:
        name = answer["event"] or answer["type"] or "no event"
        seen[name] += 1
        blocked[name] += answer["outcome"] != "allowed"
        refused[name] += bool(answer["refused"])
        places = (f"{each['path'] or '(root)'} {each['type']}" for each in answer["violations"])
        found.setdefault(name, Counter()).update(places)
    for name in sorted(seen, key=lambda name: (-blocked[name], -refused[name], -seen[name], name)):
        wrong = "; ".join(f"{count} × {what}" for what, count in found[name].most_common(5))
        parts = [f"{seen[name] - blocked[name]} allowed", f"{blocked[name]} blocked" + (f" ({wrong})" if wrong else "")]
        parts += [f"{refused[name]} refused by the gateway"] if refused[name] else []
        yield f"  {name}: {counted(seen[name], 'event')}: {', '.join(parts)}"
