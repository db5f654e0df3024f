"""The way through a proxy, which both ends of the program use."""
