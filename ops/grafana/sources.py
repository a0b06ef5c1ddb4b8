"""Sources and plans: what arrives, what the tracking plans find, and what the gateway refuses."""

from __future__ import annotations

from ops.grafana.model import AMBER, RED, Board, Panel, Query, Row, about, series, stat

_RECEIVED = "sum(rate(router_events_received_total{J}[$__rate_interval]))"
_SHARE = "sum(rate({}{{J}}[$__rate_interval])) / " + _RECEIVED.replace("{", "{{").replace("}", "}}")

NOW = Row(
    "Now",
    (
        stat("Received", "Events read from all source topics.", _RECEIVED, "suffix:/s"),
        stat(
            "Invalid",
            "Share that is no event at all: `router tap events.invalid`.",
            _SHARE.format("router_events_invalid_total"),
            "percentunit",
            steps=((0.01, AMBER), (0.1, RED)),
            empty="no traffic",
        ),
        stat(
            "Blocked",
            "Share that the plan does not let pass: `router tap events.blocked`.",
            _SHARE.format("router_events_blocked_total"),
            "percentunit",
            steps=((0.01, AMBER), (0.1, RED)),
            empty="no traffic",
        ),
        stat(
            "Duplicate",
            "Share that had been received before. A sender that retries makes a few; a rise is a fault of a sender.",
            _SHARE.format("router_events_duplicate_total"),
            "percentunit",
            steps=((0.2, AMBER),),
            empty="no traffic",
        ),
        stat(
            "Violations",
            "Found by the plans, whatever was done about them.",
            "sum(rate(router_violations_total{J,S}[$__rate_interval])) or vector(0)",
            "suffix:/s",
        ),
        stat(
            "Refused by the gateway",
            "Events that it did not take: unknown key, too large, over a limit, Kafka away.",
            'sum(rate(router_gateway_events_total{J,outcome!="accepted"}[$__rate_interval])) or vector(0)',
            "suffix:/s",
            steps=((0.1, AMBER),),
        ),
    ),
)
VOLUME = Row(
    "Volume",
    (
        series(
            "Events, by source",
            "Of the last hour, as a rate; and what is usual at this hour: the median of the seven days before, from the third day on.",
            ("source:router_events:rate1h{J,S}", "{{source}}"),
            ("source:router_events_usual:rate1h{J,S}", "{{source}} usual"),
            unit="suffix:/s",
        ),
        series(
            "Against the usual",
            "100 % is as usual. Outside the band that the topology sets for the source, an alert comes after a quarter of an hour. Empty in the first three days.",
            ("source:router_events:rate1h{J,S} / source:router_events_usual:rate1h{J,S}", "{{source}}"),
            ("1 + source:router_source_volume_band_ratio:max{J,S}", "{{source}} at most"),
            ("clamp_min(1 - source:router_source_volume_band_ratio:max{J,S}, 0)", "{{source}} at least"),
            unit="percentunit",
            empty="no three days yet",
        ),
    ),
)
PLANS = Row(
    "Plans",
    (
        series(
            "Violations, by class",
            "`unplanned_event`, `unplanned_property`, `violation`, `common`, `source_rule`. A step up: an app was released.",
            ("sum by (source, class) (rate(router_violations_total{J,S}[$__rate_interval]))", "{{source}} {{class}}"),
            unit="suffix:/s",
        ),
        series(
            "Stopped, by reason",
            "Events that ended before they were resolved: by which agent, and why.",
            (
                "sum by (source, agent, reason) (rate(router_events_stopped_total{J,S}[$__rate_interval]))",
                "{{source}} {{agent}} {{reason}}",
            ),
            unit="suffix:/s",
        ),
        Panel(
            "states",
            "Revision in force",
            "A change of colour is a new revision. Two for long: a worker has not taken it over, see Reloads.",
            (Query("count by (source, revision) (router_plan_info{J,S})", "{{source}} {{revision}}"),),
            words=(("1", "in force", "blue"),),
            width=8,
        ),
        series(
            "Put right",
            "Faults of senders that the reader mended.",
            (
                "sum by (source, repair) (rate(router_events_repaired_total{J,S}[$__rate_interval]))",
                "{{source}} {{repair}}",
            ),
            unit="suffix:/s",
            width=8,
            empty="nothing",
        ),
        series(
            "Named and unknown",
            "Keys of `integrations` that name no destination, and values that a source's map left out.",
            (
                "sum by (source) (rate(router_integrations_unknown_total{J,S}[$__rate_interval]))",
                "{{source}} integrations",
            ),
            (
                "sum by (source, place) (rate(router_source_mapping_problems_total{J,S}[$__rate_interval]))",
                "{{source}} {{place}}",
            ),
            unit="suffix:/s",
            width=8,
            empty="none",
        ),
    ),
)
GATEWAY = Row(
    "Gateway",
    (
        series(
            "Requests, by status",
            "401: unknown key; 413: too large; 429: over a limit; 503: Kafka is away, senders keep their events.",
            (
                "sum by (endpoint, status) (rate(router_gateway_requests_total{J}[$__rate_interval]))",
                "{{endpoint}} {{status}}",
            ),
            unit="suffix:/s",
            width=8,
        ),
        series(
            "Events, by outcome",
            "`accepted`: in Kafka. All else was refused, and the sender was told why.",
            (
                "sum by (source, outcome) (rate(router_gateway_events_total{J}[$__rate_interval]))",
                "{{source}} {{outcome}}",
            ),
            unit="suffix:/s",
            width=8,
        ),
        series(
            "Time to Kafka's acknowledgement",
            "Request received to acknowledged: what a sender waits. Above a second: look at Kafka.",
            (
                "histogram_quantile(0.5, sum by (le) (rate(router_gateway_ack_seconds_bucket{J}[$__rate_interval])))",
                "P50",
            ),
            ("job:router_gateway_ack_seconds:p95_5m{J}", "P95"),
            unit="s",
            width=8,
            steps=((1, RED),),
        ),
        series(
            "In flight",
            "Events that wait for Kafka's acknowledgement.",
            ("sum(router_gateway_in_flight{J})", "events"),
            width=24,
        ),
    ),
)
ROWS = Row(
    "Rows of databases, files",
    (
        series(
            "Rows pulled",
            "Of sources of type `sql`: new, changed and gone rows were sent. `bad` ones are tried again in each pull: the log names them.",
            (
                "sum by (source, outcome) (rate(router_pull_rows_total{J,S}[$__rate_interval]))",
                "{{source}} {{outcome}}",
            ),
            unit="suffix:/s",
            width=8,
            empty="no pulls",
        ),
        series(
            "Since the last pull",
            "Time since a pull came to its end, as a part of the source's `every`. Above 2, an alert comes.",
            (
                "(time() - max by (source) (router_pull_last_success_timestamp_seconds{J,S}))"
                " / max by (source) (router_pull_interval_seconds{J,S})",
                "{{source}}",
            ),
            unit="none",
            width=8,
            steps=((0, "text"), (2, RED)),
            empty="no pulls",
        ),
        series(
            "Rows imported",
            "Of `router import --metrics-page`, while it runs: sent, and bad rows, which its report names.",
            (
                "sum by (source, outcome) (rate(router_import_rows_total{J,S}[$__rate_interval]))",
                "{{source}} {{outcome}}",
            ),
            unit="suffix:/s",
            width=8,
            empty="no imports",
        ),
    ),
)
BOARD = Board(
    "sources", "Event router: sources and plans", about(__doc__), (NOW, VOLUME, PLANS, GATEWAY, ROWS), ("source",)
)
