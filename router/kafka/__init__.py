"""Kafka: client settings, administration and partitioning."""
