"""Tracking plans: the files of a folder, their schemas, and how an event is held against them."""

from __future__ import annotations

from router.events.records import Violation
from router.plan.compile import CompiledPlan, compile_plan
from router.plan.load import load_plan
from router.plan.model import Plan

__all__ = ["CompiledPlan", "Plan", "Violation", "compile_plan", "load_plan"]
