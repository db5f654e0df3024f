"""The engine as a child: its client, its streams, and the terminal that it restores."""
