"""The HTTP tracking API: Segment's calls in, one Kafka message an event out.

POST /v1/identify, track, page, screen, group, alias (one event), /v1/batch, /v1/import (many), and one-letter forms.
200 means that Kafka has acknowledged every message of the request. Of a batch, good items are accepted and bad ones
named in the answer; these lie in events.invalid as they came. ops/decisions/0003-gateway-answers.md has every answer.

kill -9 loses nothing that was answered 200. A request that was in work has no answer; its events may stand in the log,
and the SDK sends them again: with a `messageId` the repeat is dropped by the router, without one it counts twice.
"""
