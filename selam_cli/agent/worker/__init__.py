"""Engines in processes of their own: one that crashes, hangs or holds the interpreter costs a turn and nothing else.

`pool.py` and `process.py` are the agent's side, `program.py` is what runs in the process, `messages.py` what they say.
"""
