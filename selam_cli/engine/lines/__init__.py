"""The JSON lines: commands, codec, and what is written when."""
