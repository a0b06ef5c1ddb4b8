"""The message model: the event, the reader of whatever was sent, the records of every topic, and the topics' names."""
