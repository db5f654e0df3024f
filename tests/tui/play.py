"""Runs the real screen over an engine that replays lines and answers the talk key; a program for pseudo-terminals.

Arguments: the file descriptor or file to which every command is written, and a JSON object: `lines`, `options` of the
screen, `speed`, `stays`, `status`, `last_words`, `crash` (raise in the middle of the screen), `busy_s`,
`speaks` (each utterance is answered at once).
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from selam_cli.core import events
from selam_cli.core.session import ConnectionInfo, MicrophoneState, Phase
from selam_cli.tui.app import ScreenOptions, SelamScreen, run
from selam_cli.tui.replay import ReplayEngine
from tests.support.busy import keep_busy

READY = events.StateChanged(
    phase=Phase.READY, turn=0, connection=ConnectionInfo("ws://127.0.0.1:1", "custom", "sid", 12.0), voice="mekdes",
    language=None, vad_threshold=600, interrupt_threshold=8, listening=True, paused=False, muted=False, volume=100,
    microphone=MicrophoneState("Test microphone", 16_000, open=True), speaker="Test speaker",
    user_text="", reply_text="", queued_seconds=0.0, kept_seconds=0.0,
)  # fmt: skip


class AnsweringEngine(ReplayEngine):
    """Replays, and answers the talk key with the phase that a real engine would be in."""

    def __init__(self, lines: list[str], commands: int, *, speaks: bool, **options: Any) -> None:
        super().__init__(lines, on_command=self._on_command, **options)
        self._commands_to = commands
        self._after = Phase.SPEAKING if speaks else Phase.READY
        self._turn = 0
        self._tell: Callable[[float, events.Event], None] = lambda _t, _event: None

    def listen(self, on_event: Callable[[float, events.Event], None], on_exit: Callable[[int], None]) -> None:
        self._tell = on_event
        super().listen(on_event, on_exit)

    def _on_command(self, verb: str, argument: str, command_id: int | None) -> None:
        os.write(self._commands_to, f"{verb} {argument}".rstrip().encode() + b"\n")
        if verb == "press":
            self._turn += argument != "resume"
            self._tell(0.0, replace(READY, phase=Phase.LISTENING, turn=self._turn))
            self._tell(0.0, events.TalkStarted(self._turn))
        elif verb in {"release", "discard"}:
            self._tell(0.0, events.TalkEnded(self._turn, 1.0))
            self._tell(0.0, replace(READY, turn=self._turn, phase=self._after))
        elif verb == "devices":
            found = [{"name": "Test microphone", "is_default": True}, {"name": "Headset"}]
            self._tell(0.0, events.Devices(found, [{"name": "Test speaker"}]))
        if command_id is not None:
            self._tell(0.0, events.Ack(command_id, ok=True, message=""))


def main() -> int:
    scene = json.loads(sys.argv[2])
    lines = scene.get("lines", [events.to_line(READY, 0.0)])
    told = sys.argv[1]
    engine = AnsweringEngine(
        lines,
        int(told) if told.isdigit() else os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        speaks=scene.get("speaks", False),
        speed=scene.get("speed", math.inf),
        stays=scene.get("stays", True),
        status=scene.get("status", 0),
        last_words=scene.get("last_words", ""),
    )
    if scene.get("crash"):
        SelamScreen.action_latency = lambda _self: 1 / 0  # type: ignore[assignment,method-assign]  # a bug, to order
    if scene.get("busy_s"):
        keep_busy(scene["busy_s"])
    return run(engine, ScreenOptions(**scene.get("options", {})))


if __name__ == "__main__":
    sys.exit(main())
