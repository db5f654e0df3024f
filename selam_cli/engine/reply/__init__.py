"""From the wire to the speaker."""
