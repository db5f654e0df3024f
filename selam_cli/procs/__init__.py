"""Processes: this one's own streams, and children."""
