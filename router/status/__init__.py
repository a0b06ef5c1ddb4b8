"""What a router counts and how it is: from the pages of its processes, or from Kafka itself."""
