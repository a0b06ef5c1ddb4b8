"""The formats that plans are imported from, each told by what a file contains, not by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from router.plan.model import Plan
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.rudder_project import is_project_file, read_project
from router.plan_tools.importers.rudderstack import is_rudderstack, read_rudderstack
from router.plan_tools.importers.segment import is_legacy, is_typewriter, read_legacy, read_typewriter
from router.plan_tools.importers.segment_public import is_public, read_public
from router.plan_tools.importers.sheet import is_sheet, read_sheet
from router.plan_tools.importers.source import Source


class Format(NamedTuple):
    """`claims` tells whether a file is of this format; `read` makes one plan of all such files."""

    name: str
    title: str
    claims: Callable[[Source], bool]
    read: Callable[[Sequence[Source], Notes], Plan]


FORMATS = (
    Format("rudderstack", "RudderStack tracking plan (JSON)", is_rudderstack, read_rudderstack),
    Format("segment-config", "Segment Config API export (JSON)", is_legacy, read_legacy),
    Format("segment-public", "Segment Public API or Terraform (JSON)", is_public, read_public),
    Format("segment-typewriter", "Segment typewriter file (JSON)", is_typewriter, read_typewriter),
    Format("rudderstack-project", "RudderStack project (YAML)", is_project_file, read_project),
    Format("sheet", "spreadsheet (CSV)", is_sheet, read_sheet),
)
