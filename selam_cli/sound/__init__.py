"""Sound in and out, one outside library a file."""
