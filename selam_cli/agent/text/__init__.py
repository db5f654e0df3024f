"""Text on its way to a voice: sentences, languages, numbers and signs in words."""
