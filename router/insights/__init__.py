"""What happened over time: events, people, violations, deliveries and volume, in windowed tables of bounded size."""
