"""Engines that turn text into text: one a file."""
