"""Other engines that run the same agents."""
