"""What several partners need of an event, each once: who it is about, what was bought, dates, hashes, keys, shapes."""
