"""One event's or one person's story: found by key and time in the topics, told in the order of time.

`scan` reads Kafka, in no group; `finder`, with `by_message_id` and `by_person`, finds what route has received and
written, `deliveries` what became of it. All else is pure: `records` is what was found, `rules` asks today's files,
`story` and `journey` make the story of it, `text` the lines for people.
"""
