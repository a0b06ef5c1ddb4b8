"""Faults on purpose: a router under load on a real Kafka, and everything that one machine can do to it."""
