import json
import sys
from datetime import UTC, datetime
from typing import Any


def event(line: str) -> dict[str, Any]:
    """A track call from a row of GA4's export to BigQuery, as JSON. Google's own parameters are left out."""
    row = json.loads(line)
    given = {one["key"]: one["value"] for one in row.get("event_params", ())}
    ids = {"anonymousId": row["user_pseudo_id"]} if row.get("user_pseudo_id") else {}
    ids |= {"userId": row["user_id"]} if row.get("user_id") else {}
    return {
        "type": "track",
        "event": row["event_name"],
        "timestamp": datetime.fromtimestamp(int(row["event_timestamp"]) / 1_000_000, UTC).isoformat(),
        **ids,
        "properties": {
            key: next(number(kind, value) for kind, value in typed.items() if value is not None)
            for key, typed in given.items()
            if not key.startswith(("ga_", "firebase_", "engagement_")) and any(v is not None for v in typed.values())
        },
    }


def number(kind: str, value: Any) -> Any:
    """BigQuery writes whole numbers as texts."""
    return int(value) if kind == "int_value" else value


for line in sys.stdin:
    if line.strip():
        print(json.dumps(event(line)))
