"""The screen in real terminal programs, over real links."""
