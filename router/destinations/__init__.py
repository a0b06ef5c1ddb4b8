"""One file per destination, registered by decorator, passing one contract suite."""
