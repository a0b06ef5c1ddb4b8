"""Kafka: client settings, administration, partitioning, and the embedded broker with its limits."""
