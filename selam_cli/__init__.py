"""selam-voice: talk with Selam's Voice Agent from a terminal.

Three processes, one seam each: the screen (`tui`) draws, the engine (`engine`, over `sound`) holds the microphone, the
speaker and the connection, the agent (hosted, or `agent`) answers. Read `core/protocol.py` first, then
`core/session.py`, then `engine/engine.py`.
"""

__version__ = "0.1.0"
