"""The two panes of what is said: what was understood, and what the agent answers.

A turn has the same number in both, so that one can be read beside the other.
"""

from __future__ import annotations

from typing import ClassVar, Final

from selam_cli.engine import events
from selam_cli.tui.text_pane import TextPane

_MARKS: Final = {"info": "i", "warning": "!", "error": "✗"}
_WAYS_OUT: Final = dict.fromkeys(
    ("authentication_error", "authorization_error"), "L switches to the embedded agent on this machine."
)
"""What a key of this screen can do about an error."""

_QUIET: Final = frozenset({"discarded", "failed"})


class TranscriptionPane(TextPane):
    """What was understood of the user's speech, and what the program has to tell."""

    EMPTY: ClassVar[str] = "What the agent understands of your words appears here."

    def __init__(self) -> None:
        super().__init__("You", id="transcription")
        self._turn: tuple[int, int] | None = None
        self._final = ""

    def on_line(self, event: events.Event) -> None:
        """Take what concerns this pane of the engine's lines."""
        match event:
            case events.Transcription(turn=turn, text=text, is_final=is_final):
                self._understood(turn, text, is_final=is_final)
            case events.Connected(again=True):
                self.tell("info", "A new session has begun; the agent may not remember what was said before.")
            case events.Connected(message=message) if message:
                self.tell("info", message)
            case events.TurnEnded(turn=turn, outcome=outcome) if outcome in _QUIET:
                self._close(turn, outcome)
            case events.Notice(severity=severity, message=message, remedy=remedy):
                self.tell(severity, message, remedy)
            case events.ErrorRaised(type=kind, message=message, remedy=remedy):
                self.tell("error", message, f"{remedy} {_WAYS_OUT.get(kind, '')}")

    def tell(self, severity: str, message: str, remedy: str = "") -> None:
        """Add a line that nobody said."""
        kind = severity if severity in _MARKS else "info"
        self.append(_MARKS[kind], f"{message} {remedy}".strip(), kind)

    def _understood(self, turn: int, text: str, *, is_final: bool) -> None:
        if self._turn is None or self._turn[0] != turn:
            self._turn, self._final = (turn, self.append(str(turn), "", "partial")), ""
        whole = f"{self._final} {text}".strip() if self._final else text
        if is_final:
            self._final = whole
        # Not by look alone: what may still be revised ends in an ellipsis.
        self.change(self._turn[1], whole if is_final else f"{whole} …", "said" if is_final else "partial")

    def _close(self, turn: int, outcome: str) -> None:
        if self._turn is not None and self._turn[0] == turn and self._final:
            self.append("", f"({outcome})", "aside")
        elif self._turn is not None and self._turn[0] == turn:
            self.change(self._turn[1], f"({outcome})", "aside")
        else:
            self.append(str(turn), f"({outcome})", "aside")


class ResponsePane(TextPane):
    """The agent's answers; each grows as it comes."""

    EMPTY: ClassVar[str] = "The agent's answers appear here."

    def __init__(self) -> None:
        super().__init__("Agent", id="response")
        self._turn: tuple[int, int] | None = None

    def on_line(self, event: events.Event) -> None:
        """Take what concerns this pane of the engine's lines."""
        match event:
            case events.Response(turn=turn, text=text):
                if self._turn is None or self._turn[0] != turn:
                    self._turn = turn, self.append(str(turn), text, "reply")
                else:
                    self.change(self._turn[1], text, "reply")
            case events.Interrupted(turn=turn, heard_seconds=heard) if self._turn is not None and self._turn[0] == turn:
                self.append("", f"(interrupted after {heard:.1f} s)", "aside")
