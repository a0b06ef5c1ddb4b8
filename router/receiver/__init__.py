"""A partner to try webhooks with: it shows what it gets, checks signatures, and fails when told to."""

from __future__ import annotations

from router.receiver.faults import InjectedFault
from router.receiver.receipts import read_log
from router.receiver.server import Receiver

__all__ = ["InjectedFault", "Receiver", "read_log"]
