"""Give each event the profile it belongs to, and find new links between identifiers.

Links that the replica does not know yet go, as facts, through `append`, which returns once the replica has applied them
in the log's order; only then is the event resolved. So an event resolves at a position of the log at or after its own
links, whichever worker it meets. kill -9 can append a fact whose event is then read again: repeats are ignored.
"""

from __future__ import annotations

from collections.abc import Callable

from router.identity import Replica


class Identify:
    """Sets `profile` and the body's `profileId` on every event."""

    def __init__(self, replica: Replica, append: Callable[[bytes], None]) -> None:
        self._replica = replica
        self._append = append
