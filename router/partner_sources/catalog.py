"""The partner sources: one file each, and one line each in this list."""

from __future__ import annotations

from router.partner_sources.base import PartnerSource
from router.partner_sources.customerio import CustomerioSource
from router.partner_sources.hook import HookSource
from router.partner_sources.sendgrid import SendgridSource

SEGMENT = "segment"  # the type of a source that names none: an SDK sends its events, by a write key
PARTNER_SOURCES: dict[str, type[PartnerSource]] = {
    one.type: one for one in (CustomerioSource, HookSource, SendgridSource)
}
