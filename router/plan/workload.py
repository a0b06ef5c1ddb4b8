"""How often one value of an event can be looked at: references that multiply must not make a small event costly.

The same schema may apply to a value by several ways (`allOf`, `anyOf`, `$ref`), and each way multiplies those below it.
Every place that an event can reach is visited once with the number of ways that lead there; recursion ends because
the same place with the same numbers comes again, or because the numbers grow beyond the limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from router.document import Pointer
from router.plan.keywords import CONTAINERS, IN_PLACE, LEAF
from router.plan.resources import Place, Resources

_NOT_INSIDE = IN_PLACE | CONTAINERS | {"propertyNames", "contentSchema"}
MAX_LOOKS = 2000
MAX_STATES = 5000
_Key = tuple[str, Pointer]
_State = frozenset[tuple[_Key, int]]


class Workload:
    """Follows the schemas of one plan, which must be sound and without circles."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.totals: dict[_Key, int] = {}
        self.closures: dict[_Key, Counter[_Key]] = {}
        self.seen: set[_State] = set()

    def excess(self, root: Place) -> Place | None:
        """A place that makes an event costly, reached from this root schema; None where there is none."""
        places = root[0].places
        if len(places) <= MAX_LOOKS and not any(isinstance(item, dict) and "$ref" in item for item in places.values()):
            return None
        if self._total(root) > MAX_LOOKS:
            return root
        waiting = [self._state(Counter({_key(root): 1}))]
        while waiting:
            state = waiting.pop()
            if state in self.seen:
                continue
            self.seen.add(state)
            if len(self.seen) > MAX_STATES:
                return root
            for below in self._below(state):
                if sum(count * self._total(self._place(key)) for key, count in below.items()) > MAX_LOOKS:
                    return self._place(max(below, key=lambda key: below[key]))
                waiting.append(self._state(below))
        return None

    def _place(self, key: _Key) -> Place:
        return self.resources.by_uri[key[0]], key[1]

    def _total(self, root: Place) -> int:
        """In how many ways a value that meets this place is looked at, itself included."""
        stack = [root]
        while stack:
            place = stack[-1]
            inner = self.resources.same_value(place)
            unknown = [item for item in inner if _key(item) not in self.totals]
            if unknown and _key(place) not in self.totals:
                stack += unknown
            else:
                self.totals[_key(place)] = 1 + sum(self.totals[_key(item)] for item in inner)
                stack.pop()
        return self.totals[_key(root)]

    def _state(self, roots: Counter[_Key]) -> _State:
        """All places that apply to one value, with the number of ways to each."""
        state: Counter[_Key] = Counter()
        for key, count in roots.items():
            for inner, ways in self._closure(self._place(key)).items():
                state[inner] += count * ways
        return frozenset(state.items())

    def _closure(self, root: Place) -> Counter[_Key]:
        key = _key(root)
        if key not in self.closures:
            found: Counter[_Key] = Counter()
            stack = [root]
            while stack:
                place = stack.pop()
                found[_key(place)] += 1
                stack += self.resources.same_value(place)
            self.closures[key] = found
        return self.closures[key]

    def _below(self, state: _State) -> Iterator[Counter[_Key]]:
        """For each kind of value inside (a property by name, any other property, an item) the places that apply."""
        named: dict[str, Counter[_Key]] = {}
        others: Counter[_Key] = Counter()
        items: Counter[_Key] = Counter()
        for (uri, path), count in state:
            resource = self.resources.by_uri[uri]
            for keyword, inner, schema in resource.inside.get(path, ()):
                if keyword in _NOT_INSIDE or not isinstance(schema, dict) or LEAF.issuperset(schema):
                    continue
                key = (uri, inner)
                if keyword == "properties":
                    named.setdefault(str(inner[-1]), Counter())[key] += count
                elif keyword in ("patternProperties", "additionalProperties", "unevaluatedProperties"):
                    others[key] += count
                else:
                    items[key] += count
        yield from (counts + others for counts in named.values())
        yield others
        yield items


def _key(place: Place) -> _Key:
    return place[0].uri, place[1]
