"""The HTTP tracking API: Segment's calls in, one Kafka message an event out.

POST /v1/identify, track, page, screen, group, alias (one event) and /v1/batch, /v1/import (many), with the one-letter
forms that browsers use (/v1/i, t, p, s, g, a, b). 200 means that Kafka has acknowledged every message of the request.

kill -9 loses nothing that was answered 200. A request that was in work has no answer; its events may stand in the log,
and the SDK sends them again: events that carry a `messageId` are then dropped as repeats by the router, others appear
twice. ops/decisions/0003-gateway-answers.md says which answer means what, and why.
"""
