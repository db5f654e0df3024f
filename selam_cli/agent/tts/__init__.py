"""Engines that turn text into speech: one a file."""
