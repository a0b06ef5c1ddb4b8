"""A typed client in TypeScript: an interface for each object, a method for each event.

What it writes passes `tsc --strict` and sends through anything with the methods of Segment's analytics.js.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from router.plan_tools.clients.model import Call, Record, Type, TypedClient

_SCALARS = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
_HEAD = """/**
 * Typed events of the tracking plan {plan}{revision}.
 *
 * Made by `router plan types`; what is changed here is lost the next time. Pass analytics.js:
 *
 *     const tracker = new Tracker(analytics);
 */

export type Options = {{ [key: string]: unknown; context?: {{ [key: string]: unknown }} }};

/** What sends: `analytics` of Segment's libraries for the web, or anything with these methods. */
export interface Sender {{
  track(event: string, properties?: object, options?: object): unknown;
  identify(userId: string, traits?: object, options?: object): unknown;
  group(groupId: string, traits?: object, options?: object): unknown;
  page(category: string, name?: string, properties?: object, options?: object): unknown;
  alias(to: string, from?: string, options?: object): unknown;
  screen?(category: string, name?: string, properties?: object, options?: object): unknown;
}}

/** The options with the version that the event claims. */
function versioned(options: Options | undefined, version: number): Options {{
  if (version === 0) return {{ ...options }};
  const context = options?.context ?? {{}};
  const protocols = {{ ...(context["protocols"] as object | undefined), event_version: version }};
  return {{ ...options, context: {{ ...context, protocols }} }};
}}
"""
_TRACKER = """
/** One method for each rule of the plan. */
export class Tracker {
  constructor(private readonly sender: Sender) {}
"""


def typescript(client: TypedClient) -> str:
    """The module's text."""
    revision = f", revision {client.revision}" if client.revision else ""
    parts = [_HEAD.format(plan=_prose(client.plan), revision=revision)]
    parts += ["\n".join(_record(record)) for record in client.records]
    methods = ["\n".join(_method(call)) for call in client.calls]
    parts.append("\n\n".join([_TRACKER.strip("\n"), *methods]) + "\n}")
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def annotation(found: Type) -> str:
    """A type in TypeScript's words."""
    if found.parts:
        return " | ".join(map(annotation, found.parts))
    if found.item is not None:
        return f"Array<{annotation(found.item)}>"
    if found.options:
        return " | ".join(json.dumps(option, ensure_ascii=True) for option in found.options)
    if found.record:
        return found.record
    return "{ [key: string]: unknown }" if found.scalar == "object" else _SCALARS.get(found.scalar, "unknown")


def camel(method: str) -> str:
    """orderCompleted."""
    first, *others = method.split("_")
    name = first + "".join(word[:1].upper() + word[1:] for word in others)
    return f"event{name}" if name[:1].isdigit() else f"{name}_" if name == "constructor" else name


def _prose(text: str) -> str:
    """Words inside a comment."""
    return " ".join(text.split()).replace("*/", "* /")


def _record(record: Record) -> Iterator[str]:
    if record.description:
        yield f"/** {_prose(record.description)} */"
    yield f"export interface {record.name} {{"
    for field in record.fields:
        if field.description:
            yield f"  /** {_prose(field.description)} */"
        key = field.name if re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", field.name) else json.dumps(field.name)
        yield f"  {key}{'' if field.required else '?'}: {annotation(field.type)};"
    if record.is_open:
        yield "  [key: string]: unknown;"
    yield "}"


def _method(call: Call) -> Iterator[str]:
    section = "traits" if call.type in ("identify", "group") else "properties"
    takes = f"{section}: {annotation(call.takes)}" + ("" if call.required else " = {}")
    before = {"identify": "userId: string, ", "group": "groupId: string, ", "alias": "to: string, from: string"}
    takes = before["alias"] if call.type == "alias" else before.get(call.type, "") + takes
    if call.type in ("page", "screen") and call.name is None:
        takes = f"name: string, {takes}"
    yield f"  /** {_prose(call.description) or _prose(call.name or call.type)} */"
    yield f"  {camel(call.method)}({takes}, options?: Options): void {{"
    yield f"    this.sender.{call.type}{'?.' if call.type == 'screen' else ''}({', '.join(_sent(call, section))});"
    yield "  }"


def _sent(call: Call, section: str) -> Iterator[str]:
    if call.type == "alias":
        yield from ("to", "from")
    elif call.type == "track":
        yield from (json.dumps(call.name, ensure_ascii=True), section)
    elif call.type in ("page", "screen"):
        yield from ('""', json.dumps(call.name, ensure_ascii=True) if call.name else "name", section)
    else:
        yield from ("userId" if call.type == "identify" else "groupId", section)
    yield f"versioned(options, {call.version})"
