"""Lint rules for the names of track events."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator

from router.plan.model import Plan, Rule
from router.plan_tools.lint import words
from router.plan_tools.lint.rules import Hit, rule


def _events(plan: Plan) -> Iterator[tuple[Rule, str]]:
    """Each track event once, by its first file; names that the plan allows are left out."""
    seen = set(plan.naming.allow)
    for each in plan.rules:
        if each.type == "track" and each.name and each.name not in seen:
            seen.add(each.name)
            yield each, each.name


def _hit(event: Rule, message: str, hint: str = "") -> Hit:
    return Hit(event.file, ("event",), message, hint)


_CASINGS: dict[str, tuple[re.Pattern[str], str, Callable[[str], str]]] = {
    "title": (words.TITLE, "Title Case (Order Completed)", words.in_title_case),
    "snake": (words.SNAKE, "snake_case (order_completed)", words.in_snake_case),
    "camel": (words.CAMEL, "camelCase (orderCompleted)", words.in_camel_case),
}


@rule("event-case", "warning", "Event names are in the plan's casing")
def event_case(plan: Plan) -> Iterator[Hit]:
    if plan.naming.events == "any":
        return
    pattern, shown, rewrite = _CASINGS[plan.naming.events]
    for event, name in _events(plan):
        if not pattern.match(name):
            yield _hit(event, f"expected {shown}, got {name}", rewrite(name))


@rule("event-object-action", "warning", "An event is an object and what happened to it, in the past tense")
def event_object_action(plan: Plan) -> Iterator[Hit]:
    for event, name in _events(plan):
        parts = [word[:1].upper() + word[1:] for word in words.words(name)]
        title = " ".join(parts)
        if title in words.VERB_ALONE or title in words.NOT_PAST:
            continue
        if any(words.is_past(word) for word in parts[1:]):
            continue
        hint = " ".join((*parts[1:], parts[0])) if len(parts) > 1 and words.is_past(parts[0]) else ""
        yield _hit(event, f"expected an object, then what happened to it (Order Completed), got {name}", hint)


@rule("event-dynamic", "error", "Event names are fixed: no dates, ids, numbers, addresses or placeholders")
def event_dynamic(plan: Plan) -> Iterator[Hit]:
    for event, name in _events(plan):
        if what := words.made_at_run_time(name):
            yield _hit(event, f"expected a fixed name, got {what} in it; make that a property")


@rule("event-value", "error", "An event name holds no value of a property")
def event_value(plan: Plan) -> Iterator[Hit]:
    for event, name in _events(plan):
        sign = re.search(r" - |[:/(\"']", name)
        if sign and not words.made_at_run_time(name):
            yield _hit(event, f"expected a name alone, got a value after {sign[0].strip()}; make that a property")


@rule("event-characters", "error", "Event names are printable ASCII without double or outer spaces")
def event_characters(plan: Plan) -> Iterator[Hit]:
    for event, name in _events(plan):
        if name != " ".join(name.split(" ")).strip() or "  " in name or not (name.isascii() and name.isprintable()):
            hint = " ".join(name.split())
            yield _hit(
                event, "expected ASCII letters, digits and single spaces, got others", hint if hint != name else ""
            )


@rule("event-unreadable", "warning", "Event names are words that people can read")
def event_unreadable(plan: Plan) -> Iterator[Hit]:
    for event, name in _events(plan):
        for word in re.findall(r"[A-Za-z]+", name):
            odd = re.search(r"[a-z][A-Z]|[A-Z]{2,}[a-z]", word) if plan.naming.events == "title" else None
            vowelless = len(word) >= 5 and not re.search(r"[aeiouyAEIOUY]", word)
            if (odd or vowelless) and word not in words.INNER_CAPITALS:
                yield _hit(event, f"expected words, got {word}")
                break


@rule("event-collision", "error", "No two events differ only in case, spaces or the order of words")
def event_collision(plan: Plan) -> Iterator[Hit]:
    by_fold: dict[str, str] = {}
    by_words: dict[tuple[str, ...], str] = {}
    for event, name in _events(plan):
        first = by_fold.setdefault(words.fold(name), name)
        twin = by_words.setdefault(tuple(sorted(word.lower() for word in words.words(name))), name)
        if first != name:
            yield _hit(
                event, f"expected a name unlike the others, got {name}, which is {first} in other letters", first
            )
        elif twin != name:
            yield _hit(event, f"expected a name unlike the others, got {name}, which has the words of {twin}", twin)


@rule("event-family", "warning", "Variants of an event are one event with a property")
def event_family(plan: Plan) -> Iterator[Hit]:
    families: defaultdict[tuple[str, ...], list[tuple[Rule, str]]] = defaultdict(list)
    for event, name in _events(plan):
        parts = name.split(" ")
        for length in range(2, len(parts)):
            families[tuple(parts[-length:])].append((event, name))
    told: set[str] = set()
    for ending, members in sorted(families.items(), key=lambda item: -len(item[0])):
        names = {name for _, name in members} - set(words.STANDARD_EVENTS)
        if len(names) >= 3 and not names & told:
            told |= names
            event, name = next(member for member in members if member[1] in names)
            yield _hit(event, f"expected one event {' '.join(ending)} with a property, got {len(names)} variants of it")


@rule("event-standard", "warning", "Events of the published specs have their published names")
def event_standard(plan: Plan) -> Iterator[Hit]:
    if plan.naming.events != "title":
        return
    folded = {words.fold(name): name for name in words.STANDARD_EVENTS}
    old = {words.fold(name): new for name, new in words.OLD_EVENTS.items()}
    for event, name in _events(plan):
        standard = folded.get(words.fold(name)) or old.get(words.fold(name), name)
        if standard != name:
            yield _hit(event, f"expected the standard name, got {name}", standard)


@rule("event-page-viewed", "warning", "Pages and screens have rules of their own type")
def event_page_viewed(plan: Plan) -> Iterator[Hit]:
    for event, name in _events(plan):
        if name in words.PAGE_EVENTS:
            yield _hit(event, f"expected a rule of type {words.PAGE_EVENTS[name]}, got a track event {name}")


@rule("event-synonym", "warning", "One word for one thing, as plan.yaml says")
def event_synonym(plan: Plan) -> Iterator[Hit]:
    for event, name in _events(plan):
        for word, others in plan.naming.synonyms.items():
            for other in others:
                if other in name.split(" "):
                    hint = " ".join(word if part == other else part for part in name.split(" "))
                    yield _hit(event, f"expected the word {word}, got {other}", hint)


@rule("event-generic", "warning", "Events say what happened, not what was clicked")
def event_generic(plan: Plan) -> Iterator[Hit]:
    for event, name in _events(plan):
        parts = name.split(" ")
        if len(parts) == 2 and parts[0] in words.GENERIC_OBJECTS and parts[1] in words.GENERIC_VERBS:
            yield _hit(event, f"expected what happened (Plan Selected), got {name}")


@rule("event-own", "error", "The router's own events are not planned")
def event_own(plan: Plan) -> Iterator[Hit]:
    for event, name in _events(plan):
        if name in words.OWN_EVENTS:
            yield _hit(event, f"expected another name, got {name}, which the router sends itself")
