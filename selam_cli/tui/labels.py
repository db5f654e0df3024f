"""The words for what the screen shows: plain ones, so that nothing is shown by colour or symbol alone."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Final

from selam_cli.core.catalog import LANGUAGES
from selam_cli.core.plain_text import plain_line
from selam_cli.core.protocol import Action
from selam_cli.core.push_to_talk import Mode
from selam_cli.core.session import ConnectionInfo, Phase
from selam_cli.tui.state import ScreenState, TalkView

SYMBOLS: Final = {
    Phase.CONNECTING: "◌",
    Phase.READY: "○",
    Phase.LISTENING: "●",
    Phase.THINKING: "◔",
    Phase.SPEAKING: "▶",
    Phase.PAUSED: "‖",
    Phase.RECONNECTING: "↻",
    Phase.DISCONNECTED: "○",
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

PROCESSING_NAMES: Final = {
    "echo_cancellation": "echo cancellation",
    "noise_suppression": "noise suppression",
    "gain_control": "gain control",
}

TOO_SMALL: Final = "The window is too small: 40×15 is needed."


def phase_name(state: ScreenState) -> str:
    """Name the phase; a latched microphone is more than listening, one that has yet to open is less."""
    if opening(state):
        return "opening…"
    return "microphone open" if state.latched else str(state.phase)


def language_name(code: str | None) -> str:
    """Name a language: `auto`, or its code and its own name for itself."""
    if code is None:
        return "auto"
    known = LANGUAGES.get(code)
    return f"{code} {known.endonym}" if known else plain_line(code)


def opening(state: ScreenState) -> bool:
    """Say whether the user talks to a microphone that does not hear yet."""
    return state.phase is Phase.LISTENING and state.session.microphone.opening


def connection_name(connection: ConnectionInfo) -> str:
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


def open_microphone(processing: Sequence[str]) -> str:
    """Say in a few words whether an open microphone hears the user while the agent speaks."""
    return "open microphone · echo cancelled" if _echo_cancelled(processing) else "open microphone · half duplex"


def processing_explanation(talk: TalkView, processing: Sequence[str]) -> str:
    """Explain what is done to the microphone's sound, and what follows for talking over the agent."""
    done = [PROCESSING_NAMES[name] for name in processing if name in PROCESSING_NAMES]
    said = f"Done to your microphone's sound: {', '.join(done)}." if done else "Your microphone is heard as it is."
    if _echo_cancelled(processing):
        meaning = "The agent's voice is taken out of it, so you may talk while the agent speaks, without a headset."
    elif talk.mode is Mode.OPEN:
        meaning = (
            "Half duplex: the agent hears you when it has finished, or it would hear itself; Esc silences it. To talk "
            "over it, install the echo canceller: pip install 'selam-voice[aec]'."
        )
    else:
        meaning = "Where it heard the agent just before the key, that is left out of what you say."
    return f"{said} {meaning}"


def _echo_cancelled(processing: Sequence[str]) -> bool:
    return "echo_cancellation" in processing


def talk_explanation(talk: TalkView) -> str:
    """Explain push-to-talk in this terminal."""
    key = key_name(talk.key)
    if talk.mode is Mode.OPEN:
        return f"The microphone is open all the time. {key.capitalize()} switches the agent's listening on and off."
    if talk.mode is Mode.TOGGLE:
        return f"Tap {key} to start, tap it again to send. How long you press makes no difference."
    tap = "" if talk.mode is Mode.HOLD else f" Or tap {key}: the microphone stays open until you tap it again."
    tap += " The mouse button does the same on the bar with the meter, in every terminal but GNU screen."
    if talk.release_told:
        return f"Hold {key} while you speak; letting go sends. This terminal tells when the key is let go.{tap}"
    return (
        f"Hold {key} while you speak; letting go sends. This terminal does not tell when a key is let go, so that is "
        f"inferred from the key's repeats, 0.2 to 0.4 seconds late, up to 0.9 over mosh on a slow link.{tap} kitty, "
        "Ghostty, foot, iTerm2, VS Code, Alacritty from 0.15, Konsole from 26.08 and Windows Terminal from 1.25 tell "
        "it; tmux, screen and mosh in between do not. `selam-voice keys` shows what yours tells."
    )


def hint(state: ScreenState) -> str:
    """Say in a few words what can be done now."""
    key = key_name(state.talk.key)
    if state.phase is Phase.LISTENING:
        return _talking_hint(state, key)
    if state.exit_status is not None:
        return "the engine has ended; t starts it again, q leaves"
    if state.session.connection.stalled:
        return "the server takes nothing in; after 10 s it is tried anew"
    match state.phase:
        case Phase.CONNECTING:
            return "you may talk already: it is sent when the session opens"
        case Phase.READY:
            return _ready_hint(state, key)
        case Phase.THINKING:
            return "waiting for the answer; Esc interrupts"
        case Phase.SPEAKING:
            return _speaking_hint(state, key)
        case Phase.PAUSED:
            return f"o resumes; {key} resumes and talks"
        case Phase.RECONNECTING if state.reconnecting is not None:
            attempt = state.reconnecting
            return f"attempt {attempt.attempt} in {attempt.in_seconds:.0f} s; t tries now"
        case Phase.RECONNECTING:
            return "the connection is lost; t tries again now"
        case Phase.DISCONNECTED:
            return _disconnected_hint(state, key)
        case _:
            return "the conversation has ended; q leaves"


def _disconnected_hint(state: ScreenState, key: str) -> str:
    if state.session.connection.ended_for == "refused":
        return "refused; e switches to the embedded agent, t tries again"
    way = "l starts a new one" if state.talk.mode is Mode.OPEN else f"{key} starts a new one"
    return f"the server ended the session; {way}"


def _speaking_hint(state: ScreenState, key: str) -> str:
    if state.talk.mode is not Mode.OPEN:
        return f"{key} or Esc silences the agent"
    if _echo_cancelled(state.session.processing):
        return "just talk to interrupt it; Esc silences it"
    return "it listens when the agent has finished; Esc silences it"


def _talking_hint(state: ScreenState, key: str) -> str:
    if opening(state):
        return "wait: the microphone is being opened; Esc gives up"
    if state.session.connection.stalled:
        return "the server takes nothing in; you are recorded"
    if state.lost_since is not None:
        return "no connection; you are recorded"
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


def end_of_process(status: int) -> str:
    """Say how a process ended: by itself, with a status, or by a signal, which its status below 0 names."""
    if status >= 0:
        return f"status {status}"
    try:
        return f"killed: {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
