"""Doubles of partners that post: bodies as their documentation shows them, signed as they sign."""

from __future__ import annotations

from tests.partner_sources.doubles.customerio import CustomerioDouble
from tests.partner_sources.doubles.double import PartnerDouble
from tests.partner_sources.doubles.hook import HookDouble
from tests.partner_sources.doubles.sendgrid import SendgridDouble

DOUBLES: tuple[PartnerDouble, ...] = (CustomerioDouble(), HookDouble(), SendgridDouble())
