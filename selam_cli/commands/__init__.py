"""One command without a screen a file."""
