"""The agents of the pipeline, one a file, in the order of `pipeline.AGENTS`. They know no Kafka and no HTTP."""
