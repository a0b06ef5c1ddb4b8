"""event-router: a self-hosted customer-event router on Kafka."""

__version__ = "0.1.0"
