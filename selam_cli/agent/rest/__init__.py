"""Calls to servers of the OpenAI-compatible REST protocol, which hearing, thinking and speaking share."""
