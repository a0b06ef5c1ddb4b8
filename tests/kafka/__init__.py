"""Tests of the Kafka layer."""
