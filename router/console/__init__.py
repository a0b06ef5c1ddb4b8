"""The web console: pages on what the router counts and keeps in Kafka, and the few actions that an operator takes."""
