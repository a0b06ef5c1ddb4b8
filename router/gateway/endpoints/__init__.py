"""The endpoints of the gateway: one file each, and one line each in this list."""

from __future__ import annotations

from router.events.event import CALL_TYPES
from router.gateway.endpoint import Endpoint
from router.gateway.endpoints.batch import BatchEndpoint
from router.gateway.endpoints.call import CallEndpoint
from router.gateway.endpoints.hook import HookEndpoint
from router.gateway.endpoints.pixel import PixelEndpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *map(CallEndpoint, CALL_TYPES),
    BatchEndpoint(),
    *map(PixelEndpoint, CALL_TYPES),
    HookEndpoint(),
)
