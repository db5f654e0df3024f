"""Fuzzing of every place where a stranger's bytes are read: `python -m tests.fuzz`, and a little in each test run.

A target takes bytes and raises where something is wrong. The bytes are a script by which values are made, so that a
coverage-guided fuzzer (atheris), hypothesis and a seeded mutator all drive the same targets.
"""
