"""Overview: does it work, where do events go, and who needs attention."""

from __future__ import annotations

from ops.grafana.model import AMBER, RED, Board, Panel, Query, Row, about, series, stat

_RATE = "sum(rate({}{{J}}[$__rate_interval]))"
_GROWTH = "sum(increase({}{{J}}[$__range])) or vector(0)"
_TOTALS = (
    ("received", "router_events_received_total"),
    ("invalid", "router_events_invalid_total"),
    ("blocked", "router_events_blocked_total"),
    ("duplicate", "router_events_duplicate_total"),
    ("resolved", "router_events_resolved_total"),
    ("not routed, by rule", "router_events_filtered_total"),
    ("routed", "router_events_routed_total"),
    ("delivered", "router_delivery_delivered_total"),
    ("filtered", "router_delivery_filtered_total"),
    ("given up", "router_delivery_dead_total"),
)

NOW = Row(
    "Now",
    (
        stat(
            "Received",
            "Events read from all source topics. None while senders work: see Sources and plans.",
            _RATE.format("router_events_received_total"),
            "suffix:/s",
        ),
        stat(
            "Delivered",
            "Events that partners accepted. An event for three destinations is delivered three times.",
            _RATE.format("router_delivery_delivered_total"),
            "suffix:/s",
        ),
        stat(
            "Lowest success",
            "Of all attempts of the worst destination in five minutes, the share that was accepted; 429s left out. "
            "Below 99 %: see Delivery, by code.",
            "min(destination:router_delivery_success:ratio_rate5m{J})",
            "percentunit",
            steps=((0, RED), (0.99, AMBER), (0.999, "text")),
            empty="no traffic",
        ),
        stat(
            "Slowest P95",
            "Receipt to the partner's acceptance, slowest destination, over five minutes.",
            "max(destination:router_end_to_end_seconds:p95_5m{J})",
            "s",
            steps=((5, AMBER), (60, RED)),
            empty="no traffic",
        ),
        stat(
            "Oldest waiting",
            "Age of the oldest event that has been taken for delivery and is not final. Above an hour: a partner is down.",
            "max(router_delivery_oldest_seconds{J})",
            "s",
            steps=((300, AMBER), (3600, RED)),
        ),
        stat(
            "Not accounted for",
            "Received, and neither invalid, blocked, duplicate nor resolved. At rest it must be 0.",
            "sum(job:router_events_unaccounted:total{J})",
            steps=((-1e9, RED), (-0.5, "text"), (0.5, RED)),
        ),
    ),
)
FUNNEL = Row(
    "Funnel, and what needs attention",
    (
        Panel(
            "bars",
            "Where events went, in the chosen time",
            "Received = invalid + blocked + duplicate + resolved; then, once for each destination: routed = delivered + "
            "filtered + given up + open.",
            tuple(Query(_GROWTH.format(metric), name) for name, metric in _TOTALS),
            height=9,
        ),
        Panel(
            "table",
            "Alerts",
            "Pending and firing alerts of the router; the name opens the runbook.",
            (
                Query(
                    'max by (alertname, alertstate, severity, destination, source, process) (ALERTS{J,alertname=~"Router.*"})'
                ),
            ),
            height=9,
            empty="nothing needs attention",
            link="alertname RUNBOOK#${__value.text}",
        ),
    ),
)
WHO = Row(
    "Who",
    (
        Panel(
            "table",
            "Destinations",
            "The state of each; the name opens Delivery. Open: routed, and not final.",
            (
                Query("sum by (destination) (destination:router_delivery_delivered:rate5m{J})", "delivered/s"),
                Query(
                    "sum by (destination) (destination:router_delivery_success:ratio_rate5m{J})",
                    "success",
                    "percentunit",
                    ((0, RED), (0.99, AMBER), (0.999, "text")),
                ),
                Query(
                    "sum by (destination) (destination:router_end_to_end_seconds:p95_5m{J})",
                    "P95",
                    "s",
                    ((5, AMBER), (60, RED)),
                ),
                Query(
                    "sum by (destination) (destination:router_delivery_open:total{J})",
                    "open",
                    "short",
                    ((1000, AMBER),),
                ),
                Query(
                    "max by (destination) (router_delivery_oldest_seconds{J})",
                    "oldest",
                    "s",
                    ((300, AMBER), (3600, RED)),
                ),
                Query("max by (destination) (router_delivery_paused{J})", "paused", "short", ((1, RED),)),
            ),
            link="destination /d/event-router-delivery?var-destination=${__value.text}&${__url_time_range}",
        ),
        Panel(
            "table",
            "Sources",
            "What each sent in the last hour, and what of it the plan found; the name opens Sources and plans.",
            (
                Query("sum by (source) (source:router_events:rate1h{J})", "events/s"),
                Query(
                    "time() - max by (source) (router_source_last_event_timestamp_seconds{J})",
                    "last event",
                    "s",
                    ((1800, AMBER),),
                ),
                Query("sum by (source) (source:router_violations:rate1h{J})", "violations/s", "short", ((0.1, AMBER),)),
                Query("sum by (source) (increase(router_events_stopped_total{J}[1h]))", "stopped in 1 h"),
            ),
            link="source /d/event-router-sources?var-source=${__value.text}&${__url_time_range}",
        ),
    ),
)
VOLUME = Row(
    "Over time",
    (
        series(
            "Received and delivered",
            "Falls apart when delivery is behind; the second is higher with several destinations.",
            (_RATE.format("router_events_received_total"), "received"),
            (_RATE.format("router_delivery_delivered_total"), "delivered"),
            unit="suffix:/s",
        ),
        Panel(
            "states",
            "Held back",
            "A destination that is held back, and why: `down`, `refused` (401, 403), `open`, `operator`. Its events wait.",
            (Query("max by (destination, reason) (router_delivery_paused{J})", "{{destination}} {{reason}}"),),
            words=(("0", "delivering", "transparent"), ("1", "held back", "red")),
        ),
    ),
)
BOARD = Board("overview", "Event router: overview", about(__doc__), (NOW, FUNNEL, WHO, VOLUME))
