"""The destination types by name."""

from __future__ import annotations

from collections.abc import Callable

from router.destinations.base import Connector

_TYPES: dict[str, type[Connector]] = {}


def destination(name: str) -> Callable[[type[Connector]], type[Connector]]:
    """Register a connector class under the type name that topology files use."""

    def register(cls: type[Connector]) -> type[Connector]:
        if name in _TYPES:
            raise ValueError(f"destination type {name} is registered twice")
        cls.type = name
        _TYPES[name] = cls
        return cls

    return register


def destination_types() -> dict[str, type[Connector]]:
    """All types that this package ships, by name."""
    import router.destinations.catalog  # noqa: F401  the explicit list of modules; imported here to end the cycle

    return dict(sorted(_TYPES.items()))
