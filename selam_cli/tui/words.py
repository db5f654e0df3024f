"""The words for what the screen shows: plain ones, so that nothing is told by colour or symbol alone."""

from __future__ import annotations

from typing import Final

from selam_cli.core.catalog import LANGUAGES
from selam_cli.core.plain_text import plain_line
from selam_cli.core.protocol import Action
from selam_cli.core.push_to_talk import Mode
from selam_cli.core.session import Connection, Phase
from selam_cli.tui.model import ScreenState, TalkView

SYMBOLS: Final = {
    Phase.CONNECTING: "◌",
    Phase.READY: "○",
    Phase.LISTENING: "●",
    Phase.THINKING: "◔",
    Phase.SPEAKING: "▶",
    Phase.PAUSED: "‖",
    Phase.RECONNECTING: "↻",
    Phase.ENDED: "■",
}
"""All of them one cell wide."""

ACTION_NAMES: Final = {
    Action.INTERRUPT: "Interrupt",
    Action.START_LISTENING: "Start listening",
    Action.STOP_LISTENING: "Stop listening",
    Action.PAUSE: "Pause",
    Action.RESUME: "Resume",
}

ACTION_KEYS: Final = {
    Action.INTERRUPT: "i",
    Action.START_LISTENING: "l",
    Action.STOP_LISTENING: "k",
    Action.PAUSE: "p",
    Action.RESUME: "o",
}

TOO_SMALL: Final = "The window is too small: 40×15 is needed."


def phase_name(state: ScreenState) -> str:
    """Name the phase; a latched microphone is more than listening, for nobody holds a key."""
    return "microphone open" if state.latched else str(state.phase)


def language_name(code: str | None) -> str:
    """Name a language: `auto`, or its code and its own name for itself."""
    if code is None:
        return "auto"
    known = LANGUAGES.get(code)
    return f"{code} {known.endonym}" if known else plain_line(code)


def connection_name(connection: Connection) -> str:
    """Name a server: its kind, its address without the scheme, and the round trip where it is known."""
    parts = [plain_line(connection.kind)]
    if connection.kind != "embedded":
        parts.append(plain_line(connection.server).rpartition("://")[2].rstrip("/"))
    if connection.rtt_ms is not None:
        parts.append(f"{connection.rtt_ms:.0f} ms")
    return " · ".join(part for part in parts if part)


def key_name(key: str) -> str:
    """Name a key as it stands on the keyboard."""
    return {"escape": "Esc", "plus": "+", "minus": "-"}.get(key, key)


def talk_way(talk: TalkView, *, brief: bool = False) -> str:
    """Say in a few words which push-to-talk is in force; `brief` for a narrow window."""
    key = key_name(talk.key)
    if talk.mode is Mode.OPEN:
        return f"{key}: listening on/off"
    if talk.mode is Mode.TOGGLE:
        return f"tap {key}"
    if talk.release_told:
        return f"hold {key}"
    return f"hold {key} (inferred)" if brief else f"hold {key} (release inferred)"


def talk_explanation(talk: TalkView) -> str:
    """Explain push-to-talk in this terminal."""
    key = key_name(talk.key)
    if talk.mode is Mode.OPEN:
        return f"The microphone is open all the time. {key.capitalize()} switches the agent's listening on and off."
    if talk.mode is Mode.TOGGLE:
        return f"Tap {key} to start, tap it again to send. How long you press makes no difference."
    tap = "" if talk.mode is Mode.HOLD else f" Or tap {key}: the microphone stays open until you tap it again."
    tap += " The mouse button does the same on the bar with the meter, in every terminal."
    if talk.release_told:
        return f"Hold {key} while you speak; letting go sends. This terminal tells when the key is let go.{tap}"
    return (
        f"Hold {key} while you speak; letting go sends. This terminal does not tell when a key is let go, so that is "
        f"inferred from the key's repeats, 0.2 to 0.4 seconds late.{tap} kitty, Ghostty, foot, Alacritty, iTerm2, "
        "Konsole, VS Code and Windows Terminal from 1.25 tell it; tmux, screen and mosh in between do not. "
        "`selam-voice keys` shows what yours tells."
    )


def hint(state: ScreenState) -> str:
    """Say in a few words what can be done now."""
    key = key_name(state.talk.key)
    if state.phase is Phase.LISTENING:
        return _talking_hint(state, key)
    if state.exit_status is not None:
        return "the engine has ended; the text stays, q leaves"
    match state.phase:
        case Phase.CONNECTING:
            return "you may talk already: it is sent when the session opens"
        case Phase.READY:
            return _ready_hint(state, key)
        case Phase.THINKING:
            return "waiting for the answer; Esc interrupts"
        case Phase.SPEAKING:
            return f"{key} or Esc silences the agent"
        case Phase.PAUSED:
            return f"o resumes; {key} resumes and talks"
        case Phase.RECONNECTING if state.reconnecting is not None:
            attempt = state.reconnecting
            return f"attempt {attempt.attempt} in {attempt.in_seconds:.0f} s; t tries now"
        case Phase.RECONNECTING:
            return "the connection is lost; t tries again now"
        case _:
            return "the conversation has ended; q leaves"


def _talking_hint(state: ScreenState, key: str) -> str:
    if state.talk.nearly_over:
        return "the longest time is nearly over; it is sent then"
    if state.latched:
        return f"tap {key} to send; Esc throws it away"
    if state.talk.mode is Mode.OPEN:
        return "the microphone is open"
    return f"let {key} go to send; Esc throws it away"


def _ready_hint(state: ScreenState, key: str) -> str:
    if state.session.muted:
        return "the microphone is muted; m switches it on"
    if state.talk.mode is Mode.OPEN:
        return "just talk" if state.session.listening else f"{key} switches listening on"
    if state.talk.mode is Mode.TOGGLE:
        return f"tap {key} and talk"
    return f"hold {key} and talk" if state.talk.mode is Mode.HOLD else f"hold {key} and talk, or tap it"


def gauge(dbfs: float, width: int) -> int:
    """Return how many cells of a meter are filled: it spans −60 to 0 dBFS."""
    return max(0, min(width, round((dbfs + 60.0) / 60.0 * width)))
