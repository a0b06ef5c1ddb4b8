"""A broker for trying things out, and what keeps it from dropping events: librdkafka's mock cluster in a child process.

Only `router up` without `--bootstrap` starts one. Its limits are listed in `broker`; `capacity` keeps writers below
them. Other packages know it only by its `Capabilities`.
"""
