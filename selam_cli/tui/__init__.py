"""The Textual face: one client of the engine, with no privileges."""
