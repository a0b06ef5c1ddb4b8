"""Local state of a worker: its slot, the dedupe window and the identity replica, all rebuilt from Kafka when lost."""
