"""The destination types by name: those that ship, those of installed packages, and classes that a topology names.

A package offers types by entry points of the group `event_router.destinations`; a topology names a class by
`type: package.module:Class`. Both are imported as they are: a connector is code of ours, whoever wrote it.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from router.destinations.base import Connector
from router.destinations.catalog import MODULES
from router.transform.function import find_function

GROUP = "event_router.destinations"
_TYPES: dict[str, type[Connector]] = {}

log = logging.getLogger(__name__)


def destination(name: str) -> Callable[[type[Connector]], type[Connector]]:
    """Register a connector class under the type name that topology files use."""

    def register(cls: type[Connector]) -> type[Connector]:
        if name in _TYPES:
            raise ValueError(f"destination type {name} is registered twice")
        cls.type = name
        _TYPES[name] = cls
        return cls

    return register


class DestinationTypes(Mapping[str, type[Connector]]):
    """All types by name. One that ships is imported when it is asked for, and no other.

    Classes that a topology has named are found, too, but not listed.
    """

    def __getitem__(self, name: str) -> type[Connector]:
        if name not in _TYPES:
            if name in MODULES:
                importlib.import_module(f"router.destinations.{MODULES[name]}")
            else:
                _installed_types()
        return _TYPES[name]

    def __iter__(self) -> Iterator[str]:
        _installed_types()
        return iter(sorted(name for name in {*MODULES, *_TYPES} if ":" not in name))

    def __len__(self) -> int:
        return len(list(iter(self)))


def destination_types() -> DestinationTypes:
    """All types that are known here, by name."""
    return DestinationTypes()


@cache
def _installed_types() -> None:
    """Those of other packages. One that cannot be loaded is missing where a topology names it, and only there."""
    for point in entry_points(group=GROUP):
        try:
            _add(point.name, point.load())
        except Exception as error:  # noqa: BLE001  whatever a package does at import
            log.warning("a destination type was not loaded: %s", error, extra={"type": point.name})


def own_type(spec: str, folders: Iterable[Path]) -> type[Connector]:
    """The class that `package.module:Class` names, looked for in these folders and where Python looks.

    Raises ValueError, in words that follow the place in the topology.
    """
    if spec in _TYPES:
        return _TYPES[spec]
    found = find_function(spec, folders, what="class")
    if str(found.root) not in sys.path:
        sys.path.append(str(found.root))
    try:
        cls = getattr(importlib.import_module(found.module), found.name)
    except Exception as error:
        raise ValueError(f"expected a module that can be imported, got {type(error).__name__}: {error}") from error
    _add(spec, cls)
    return _TYPES[spec]


def _add(name: str, cls: Any) -> None:
    """Raises ValueError for what is no connector, and for a name that is taken."""
    if not (inspect.isclass(cls) and issubclass(cls, Connector)) or inspect.isabstract(cls):
        raise ValueError(f"expected a class of router.destinations.base.Connector with all its methods, got {name}")
    missing = [one for one in ("summary", "Settings") if not hasattr(cls, one)]
    if missing:
        raise ValueError(f"expected a connector with {' and '.join(missing)}, got {name} without")
    if _TYPES.setdefault(name, cls) is not cls:
        raise ValueError(f"destination type {name} is registered twice")
    if not hasattr(cls, "type"):
        cls.type = name
