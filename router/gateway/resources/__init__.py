"""The resources of the gateway: one file each, and one line each in this list."""

from __future__ import annotations

from router.gateway.resource import GatewayResource
from router.gateway.resources.client_metrics import ClientMetrics
from router.gateway.resources.library import LibraryScript
from router.gateway.resources.settings import SourceSettings

RESOURCES: tuple[GatewayResource, ...] = (SourceSettings(), LibraryScript(), ClientMetrics())
