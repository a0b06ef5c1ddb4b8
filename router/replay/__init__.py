"""What was not delivered: reading the dead letters of a destination, sending them again, deleting them."""
