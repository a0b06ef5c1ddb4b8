"""The scanner of the native library (`scan.c`), with numpy arrays for its pointers. Holds no state of the router.

What it takes of a batch it gives as rows: which kind of event each message is, its bytes, and what is left for the
agents to say of it. All else is the caller's.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from router.native.library import native
from router.native.tables import ANYTHING, Nodes, hash_of

NO_SOURCE = 255
DIGEST_BYTES = 16
NOT_TAKEN = -1
IDENTIFIERS, INTEGRATIONS, ASK, ODD_ID, LONG_IDS, BREAKS, ASKS_FORMAT = 1, 2, 4, 8, 16, 32, 64  # of `more`
LEFT, JUDGED, ALWAYS_JUDGED = 0, 1, 2  # of `KindOf.broken`, as in scan.c
_ADDED_BYTES = 370  # to an event beside its plan's reference: four members with a time each, room for its profile
_LARGEST_INPUT = 1 << 29  # bytes of a batch: places are 32 bits wide
_MOST_LEVELS = 64
_NODE = np.dtype(
    [
        *(("minimum", "f8"), ("maximum", "f8"), ("required", "u8"), ("types", "u4"), ("flags", "u4")),
        *((name, "i4") for name in ("min_length", "max_length", "pattern", "items", "additional")),
        *((name, "u4") for name in ("first_property", "properties", "first_word", "words", "unused")),
    ]
)
_PROPERTY = np.dtype([("hash", "u8"), ("name", "u4"), ("size", "u4"), ("node", "i4"), ("bit", "i4")])
_DIGEST = np.dtype(f"V{DIGEST_BYTES}")
_WORD = np.dtype([("text", "u4"), ("size", "u4")])
_AUTOMATON = np.dtype([("table", "u4"), ("accepting", "u4"), ("format", "u4")])
_KIND = np.dtype(
    [
        *((name, "u4") for name in ("name", "name_size", "plan", "plan_size", "prefix", "prefix_size")),
        *(("node", "i4"), ("context", "i4"), ("source", "u1"), ("type", "u1"), ("asks", "u1"), ("broken", "u1")),
    ]
)
_ROW = np.dtype(
    [
        ("kind", "i4"),
        ("more", "u4"),
        *((n, "u4") for n in ("out", "out_size", "user", "user_size", "anonymous", "anonymous_size", "id", "id_size")),
    ]
)
_ASKED = np.dtype([("at", "u4"), ("size", "u4"), ("format", "u4")])
_BREACH = np.dtype([("digest", _DIGEST), ("asks", "u4"), ("asked", _ASKED, 4)])
_SECTIONS = ("section", "context", "integrations")
_PLACES = np.dtype([(name + part, "u4") for name in _SECTIONS for part in ("", "_size")])
_ARRAYS = ("nodes", "properties", "words", "automata", "states", "accepting", "text", "kinds", "slots")
_ADDRESS, _COUNT = ctypes.c_void_p, ctypes.c_uint32
Array = npt.NDArray[Any]


class _Tables(ctypes.Structure):
    _fields_ = [
        *((name, _ADDRESS) for name in _ARRAYS),
        *((name, _COUNT) for name in ("mask", "most_bytes", "most_levels", "most_id", "refuses_metadata", "short_id")),
        ("plain", _ADDRESS),
    ]


class KindOf(NamedTuple):
    """What an event must be to be of a kind, and what is written into it. `plan` is JSON, empty without a plan.

    `node` is that of `properties` or `traits`, `context` that of the context. `asks`: they do not say all of the plan.
    `broken` says what becomes of events that break it.
    """

    source: int
    type: str
    name: str
    plan: bytes
    prefix: bytes
    node: int
    context: int = ANYTHING
    asks: bool = False
    broken: int = LEFT


class ScanLimits(NamedTuple):
    """Of what is taken. `refuses_metadata`: an agent may read `_metadata` of events. Ids of more than `short_id` bytes
    that begin with a byte of `plain` are certainly no placeholders.
    """

    most_bytes: int
    most_levels: int
    most_id: int
    refuses_metadata: bool = False
    short_id: int = 0
    plain: bytes = bytes(range(256))


@dataclass(slots=True)
class Scanned:
    """The answers of a batch, message by message. What stands for one that is not taken means nothing.

    `digests` are those of dedupe, `persons` those of userId and anonymousId together, in `breaches` those of the
    ways in which an event BREAKS its plan. `output` has the events, of which `rows` says where they are, in its first
    `used` bytes; `input` is what was read, perhaps in another spelling than the messages.
    """

    rows: Array
    places: Array
    digests: list[bytes]
    persons: list[bytes]
    breaches: Array
    input: memoryview
    output: memoryview
    used: int

    @property
    def kinds(self) -> Array:
        """Of each message; to be changed where one is not taken after all."""
        kinds: Array = self.rows["kind"]
        return kinds

    def places_of_events(self) -> tuple[Array, Array]:
        """Where they begin in the output, and their sizes."""
        return self.rows["out"].astype(np.int64), self.rows["out_size"].astype(np.int64)

    def ids(self, index: int) -> tuple[str | None, str | None, str]:
        """userId, anonymousId and messageId of a message."""
        _, _, _, _, user, user_size, anonymous, anonymous_size, message, message_size = self.rows[index].item()
        given = self.input
        return (
            str(given[user : user + user_size], "utf-8") if user_size else None,
            str(given[anonymous : anonymous + anonymous_size], "utf-8") if anonymous_size else None,
            str(given[message : message + message_size], "utf-8"),
        )

    def message_id(self, index: int) -> str:
        """That of a message alone."""
        at = int(self.rows["id"][index])
        return str(self.input[at : at + int(self.rows["id_size"][index])], "utf-8")

    def asked(self, indices: Array) -> Iterator[list[tuple[int, str]]]:
        """What may be of its format or not, of each of these messages: numbers of formats and texts."""
        given, breaches = self.input, self.breaches[indices]
        for count, spots in zip(breaches["asks"].tolist(), breaches["asked"].tolist(), strict=True):
            yield [(number, orjson.loads(given[at : at + size])) for at, size, number in spots[:count]]

    def value(self, index: int) -> bytes:
        """The event that was made of a message."""
        at, size = self.rows["out"][index], self.rows["out_size"][index]
        return bytes(self.output[at : at + size])

    def sections(self, index: int) -> tuple[bytes, bytes, bytes]:
        """Properties or traits, context and integrations of a message, as JSON; empty where it has none."""
        at, size, context, context_size, integrations, integrations_size = self.places[index].item()
        given = self.input
        return (
            bytes(given[at : at + size]),
            bytes(given[context : context + context_size]),
            bytes(given[integrations : integrations + integrations_size]),
        )


@dataclass(slots=True)
class _Sealed:
    """Tables as the library reads them; the arrays must live as long."""

    struct: _Tables
    arrays: dict[str, Array] = field(default_factory=dict)


class EventScanner:
    """One for a pipeline; used by one thread. `nodes` may be added to before a kind is."""

    def __init__(self, library: ctypes.CDLL, limits: ScanLimits) -> None:
        self.nodes = Nodes()
        self._limits = limits
        self._plain = np.isin(np.arange(256), list(limits.plain)).astype(np.uint8)
        self._kinds: list[KindOf] = []
        self._sealed: _Sealed | None = None
        self._scan = library.router_scan
        self._scan.restype = _COUNT
        self._scan.argtypes = [*[_ADDRESS] * 4, ctypes.c_char_p, _COUNT, *[_ADDRESS] * 6]

    @classmethod
    def open(cls, limits: ScanLimits) -> EventScanner | None:
        """None where the library is not in use, or is of other structs."""
        library = native().library
        if library is None or sys.byteorder != "little":
            return None
        sizes = (_COUNT * 9)()
        library.router_scan_sizes.argtypes = [_ADDRESS]
        library.router_scan_sizes(sizes)
        types = [kind.itemsize for kind in (_NODE, _PROPERTY, _WORD, _AUTOMATON, _KIND)]
        if list(sizes) != [*types, ctypes.sizeof(_Tables), _ROW.itemsize, _PLACES.itemsize, _BREACH.itemsize]:
            return None
        return cls(library, limits)

    def add(self, kind: KindOf) -> int:
        """Its number, in `rows` from the next batch on."""
        self._kinds.append(kind)
        self._sealed = None
        return len(self._kinds) - 1

    def scan(
        self, values: Array, ends: Array, received: Array, sources: bytes, *, spare: bool = False
    ) -> Scanned | None:
        """`values` are one behind the other, and may be written in; `received` in milliseconds; `sources` has a number
        for each message, NO_SOURCE for those to leave alone. `spare`: the output has room for all events once more.
        """
        count = len(ends)
        if not self._kinds or not 0 < len(values) <= _LARGEST_INPUT:
            return None
        sealed = self._sealed = self._sealed or self._seal()
        longest = max(len(kind.plan) for kind in self._kinds)
        rows, places = np.empty(count, dtype=_ROW), np.empty(count, dtype=_PLACES)
        digests, persons = np.empty(count, dtype=_DIGEST), np.empty(count, dtype=_DIGEST)
        breaches = np.empty(count, dtype=_BREACH)
        output = np.empty((len(values) + (_ADDED_BYTES + longest) * count) * (1 + spare), dtype=np.uint8)
        used = self._scan(
            ctypes.byref(sealed.struct), values.ctypes.data, ends.ctypes.data, received.ctypes.data, sources, count,
            rows.ctypes.data, places.ctypes.data, digests.ctypes.data, persons.ctypes.data, breaches.ctypes.data,
            output.ctypes.data,
        )  # fmt: skip
        return Scanned(rows, places, digests.tolist(), persons.tolist(), breaches, values.data, output.data, used)

    def _seal(self) -> _Sealed:
        nodes, text = self.nodes, bytearray(self.nodes.text)

        def put(part: bytes) -> tuple[int, int]:
            text.extend(part)
            return len(text) - len(part), len(part)

        kinds, slots = [], self._slots()
        for kind in self._kinds:
            places = (*put(kind.name.encode()), *put(kind.plan), *put(kind.prefix))
            kinds.append((*places, kind.node, kind.context, kind.source, ord(kind.type[0]), kind.asks, kind.broken))
        tables = []
        states = accepting = 0
        for automaton in nodes.automata:
            tables.append((states, accepting, automaton.format))
            states, accepting = states + len(automaton.states), accepting + len(automaton.accepting)
        arrays: dict[str, Array] = {
            "nodes": np.array([astuple(row) for row in nodes.nodes], dtype=_NODE),
            "properties": np.array(nodes.properties, dtype=_PROPERTY),
            "words": np.array(nodes.words, dtype=_WORD),
            "automata": np.array(tables, dtype=_AUTOMATON),
            "states": np.frombuffer(b"".join(each.states for each in nodes.automata), dtype=np.uint8),
            "accepting": np.frombuffer(b"".join(each.accepting for each in nodes.automata), dtype=np.uint8),
            "text": np.frombuffer(bytes(text), dtype=np.uint8),
            "kinds": np.array(kinds, dtype=_KIND),
            "slots": slots,
        }
        limits = self._limits
        struct = _Tables(
            *(arrays[name].ctypes.data for name in _ARRAYS), len(slots) - 1, limits.most_bytes,
            min(limits.most_levels, _MOST_LEVELS), limits.most_id, int(limits.refuses_metadata), limits.short_id,
            self._plain.ctypes.data,
        )  # fmt: skip
        return _Sealed(struct, arrays)

    def _slots(self) -> Array:
        """Open addressing, at most half full, as kind_of in scan.c looks it up."""
        size = 8
        while size < 2 * len(self._kinds):
            size *= 2
        slots = np.full(size, -1, dtype=np.int32)
        for number, kind in enumerate(self._kinds):
            slot = (hash_of(kind.name.encode()) ^ (kind.source * 0x9E37 + ord(kind.type[0]))) & (size - 1)
            while slots[slot] >= 0:
                slot = (slot + 1) & (size - 1)
            slots[slot] = number
        return slots
