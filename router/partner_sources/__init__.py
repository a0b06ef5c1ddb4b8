"""Partners as sources: what a partner posts to `/v1/hooks/SOURCE`, checked and turned into events. Pure."""
