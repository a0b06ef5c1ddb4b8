"""The HTTP tracking API: Segment's calls in, one Kafka record an event out.

`endpoints` lists what can be called, one file each; `handler` is the way of every request. 200 means that Kafka has
acknowledged every record of the request. Of a batch, valid items are accepted and the others named in the response and
kept in events.invalid as they came. ops/decisions/0003-gateway-answers.md has every response.

kill -9 loses nothing that was answered 200. A request in progress then has no answer; its events may be in Kafka, and
the SDK sends them again: with a `messageId` the router drops the repeat, without one it counts twice.
"""
