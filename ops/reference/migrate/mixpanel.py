import json
import sys
from datetime import UTC, datetime
from typing import Any


def event(line: str) -> dict[str, Any]:
    """A track call from a line of Mixpanel's raw export, without Mixpanel's own properties ($… and mp_…)."""
    row = json.loads(line)
    properties = row["properties"]
    known = properties.get("$user_id")
    device = properties.get("$device_id") or properties.get("distinct_id")
    ids = {"userId": str(known)} if known else {"anonymousId": str(device)}
    return {
        "type": "track",
        "event": row["event"],
        "messageId": properties.get("$insert_id"),
        "timestamp": datetime.fromtimestamp(properties["time"], UTC).isoformat(),
        **ids,
        "properties": {
            key: value
            for key, value in properties.items()
            if not key.startswith(("$", "mp_")) and key not in ("time", "distinct_id")
        },
    }


for line in sys.stdin:
    if line.strip():
        print(json.dumps(event(line)))
