"""Engines that turn speech into text: one a file."""
