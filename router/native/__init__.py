"""The native library: small pieces of C for the hot path, and how they are found. Without it all works, slower."""
