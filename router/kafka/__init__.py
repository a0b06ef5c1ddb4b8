"""Kafka: clients, administration, group consumer, transactions, offset metadata."""
