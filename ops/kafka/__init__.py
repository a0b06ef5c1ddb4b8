"""A real Kafka for tests and benches: jars from Maven, one node in KRaft mode."""
