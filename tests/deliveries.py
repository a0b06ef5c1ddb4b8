"""Events as connectors get them: those of the contract."""

from router.destinations.contract.events import call, delivery

__all__ = ["call", "delivery"]
