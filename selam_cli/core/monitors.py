"""Which inputs of a sound system are no microphones: those that carry what a speaker plays.

An agent that hears one of them hears itself and never its user. macOS has none of its own; BlackHole, Soundflower and
Loopback there are devices that a person installs and names on purpose, so they count as microphones.
"""

from __future__ import annotations

from typing import Final

_ID_ENDS: Final = ".monitor"
"""PulseAudio and PipeWire name each sink's monitor so, whatever language their descriptions are in."""

_NAME_BEGINS: Final = (
    "monitor of ",  # PulseAudio's and PipeWire's description, where only that is known
    "stereo mix", "wave out mix", "what u hear", "what you hear", "rec. playback",  # drivers on Windows
    "stereomix", "mixage stéréo", "mezcla estéreo", "missaggio stereo", "mixagem estéreo", "стерео микшер",
    "立体声混音", "立體聲混音", "ステレオ ミキサー", "스테레오 믹스",
)  # fmt: skip
_NAME_ENDS: Final = (_ID_ENDS, "[loopback]")
"""The second is how PortAudio names WASAPI's loopbacks."""


def is_monitor(name: str, id: str = "") -> bool:  # noqa: A002  # the sound systems' own word
    """Say whether an input carries what a speaker plays, by its name and, where there is one, the system's id of it."""
    folded = name.strip().casefold()
    return id.endswith(_ID_ENDS) or folded.startswith(_NAME_BEGINS) or folded.endswith(_NAME_ENDS)
