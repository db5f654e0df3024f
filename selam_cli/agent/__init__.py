"""The embedded Voice Agent: the other end of the same protocol."""
