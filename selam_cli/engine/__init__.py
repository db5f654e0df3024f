"""The product without a face: microphone, speaker, connection and session, spoken to in JSON lines."""
