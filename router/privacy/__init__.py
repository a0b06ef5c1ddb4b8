"""Personal data: classes of it, how a value is recognised, and what is done to it before it goes anywhere. Pure."""
