"""The four agents: pure, batch in, batch out. None raises for bad data; no Kafka or HTTP import."""
