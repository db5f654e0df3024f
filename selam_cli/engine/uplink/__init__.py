"""From the microphone to the wire."""
