"""The user's settings: what they may be, where they are written, and where the user's folders are."""
