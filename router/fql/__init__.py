"""FQL, Segment's filter language: a condition on one event, compiled once, asked for every event.

The language is described in topologies/README.md. Pure: no state, nothing that a kill could lose.
"""

from router.fql.errors import FqlError, Mismatch
from router.fql.query import MAX_BYTES, Query, compile_query

__all__ = ["MAX_BYTES", "FqlError", "Mismatch", "Query", "compile_query"]
