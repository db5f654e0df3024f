"""The two panes of what is said: what was understood, and what the agent answers.

A turn has the same number in both, so that one can be read beside the other.
"""

from __future__ import annotations

from typing import ClassVar, Final

from selam_cli.core import events
from selam_cli.core.protocol import MAX_TEXT
from selam_cli.tui.text_pane import TextPane

_MARKS: Final = {"info": "i", "warning": "!", "error": "✗"}
_WAYS_OUT: Final = dict.fromkeys(
    ("authentication_error", "authorization_error"), "e switches to the embedded agent on this machine."
)
"""What a key of this screen can do about an error."""

_QUIET: Final = frozenset({"discarded", "failed"})


class TranscriptionPane(TextPane):
    """What was understood of the user's speech, and the program's notices."""

    EMPTY: ClassVar[str] = "What the agent understands of your words appears here."

    def __init__(self) -> None:
        super().__init__("You", id="transcription")
        self._turn: tuple[int, int] | None = None
        self._final = ""
        self._lost = self._again = False

    def on_line(self, event: events.Event) -> None:
        """Take what concerns this pane of the engine's lines."""
        match event:
            case events.Transcription(turn=turn, text=text, is_final=is_final):
                self._understood(turn, text, is_final=is_final)
            case events.Reconnecting():
                self._lost = True
            case events.Connected(again=True):
                self._again = True
            case events.SessionStarted():
                self._session_began()
            case events.Connected(message=message) if message:
                self.tell("info", message)
            case events.TurnEnded(turn=turn, outcome=outcome) if outcome in _QUIET:
                self._close(turn, outcome)
            case events.Notice(severity=severity, message=message, remedy=remedy):
                self.tell(severity, message, remedy)
            case events.ErrorRaised(type=kind, message=message, remedy=remedy):
                self.tell("error", message, f"{remedy} {_WAYS_OUT.get(kind, '')}")

    def begin_anew(self) -> None:
        """The engine is another one: what it understands is entries of its own, below a mark."""
        self._turn, self._lost, self._again = None, False, True

    def tell(self, severity: str, message: str, remedy: str = "") -> None:
        """Add a line that is not speech."""
        kind = severity if severity in _MARKS else "info"
        self.append(_MARKS[kind], f"{message} {remedy}".strip(), kind)

    def _session_began(self) -> None:
        """Mark the place once, when there is a session: an attempt may greet and come to nothing."""
        if self._again:
            begun = "The connection is back, and a new session" if self._lost else "A new session"
            self.tell("info", f"{begun} has begun; the agent may not remember what was said before.")
        self._lost = self._again = False
        self._final = ""  # what is sent again is understood again, and not twice

    def _understood(self, turn: int, text: str, *, is_final: bool) -> None:
        if self._turn is None or self._turn[0] != turn:
            self._turn, self._final = (turn, self.append(str(turn), "", "partial")), ""
        whole = f"{self._final} {text}".strip()[:MAX_TEXT] if self._final else text
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
    """The agent's answers; each grows as it comes. In one that was cut off, the words not heard are dimmed."""

    EMPTY: ClassVar[str] = "The agent's answers appear here."

    def __init__(self) -> None:
        super().__init__("Agent", id="response")
        self._turn: int | None = None
        self._entry: int | None = None
        self._text = ""
        self._start = 0
        """Where in the turn's text this entry begins: what comes after an interruption is an entry of its own."""

    def on_line(self, event: events.Event) -> None:
        """Take what concerns this pane of the engine's lines."""
        match event:
            case events.Response(turn=turn, text=text):
                self._answered(turn, text)
            case events.Interrupted(turn=turn, heard_seconds=heard_s, heard_text=heard) if turn == self._turn:
                self._cut_off(heard_s, heard)

    def _answered(self, turn: int, text: str) -> None:
        if turn != self._turn:
            self._turn, self._entry, self._start = turn, None, 0
        self._text = text
        shown = text[self._start :].lstrip() if self._start else text
        if self._entry is not None:
            self.change(self._entry, shown, "reply")
        elif shown or not self._start:
            self._entry = self.append(str(turn), shown, "reply")

    def _cut_off(self, heard_s: float, heard: str | None) -> None:
        if self._entry is not None and heard is not None:
            self._dim_unheard(self._entry, max(self._start, len(heard)))
            self._entry, self._start = None, len(self._text)
        self.append("", f"(interrupted after {heard_s:.1f} s)", "aside")

    def _dim_unheard(self, entry: int, heard_until: int) -> None:
        """Not by look alone: a bracket with a word shows it to users who see no colours, or who do not see."""
        heard, rest = self._text[self._start : heard_until], self._text[heard_until:]
        if not (unheard := rest.strip()):
            return
        space = rest[: len(rest) - len(rest.lstrip())] or " " * bool(heard)
        self.dim(entry, heard.lstrip() if self._start else heard, f"{space}[not heard: {unheard}]")
