"""A conversation's notices to its user, in the user's words, each with a remedy.

The codes are what machines may rely on (docs/json-lines.md); the sentences are for people.
"""

from __future__ import annotations

from selam_cli.core.events import Notice
from selam_cli.core.pcm import dbfs

ENDED = Notice("ended", "warning", "The conversation has ended.", "Quit and start again.")
MUTED = Notice("muted", "warning", "The microphone is muted.", "Switch it on again to talk.")
NOT_CONNECTED = Notice("not_connected", "warning", "There is no session to control yet.", "Wait for the connection.")
RESEND_LATER = Notice("resend_later", "info", "What is kept is sent as soon as the connection is back.")
RESENT = Notice("resent", "info", "The connection is back: what you said is sent again, from its beginning.")
UNHEARD = Notice(
    "unheard",
    "warning",
    "Nobody hears you until the connection is back: an open microphone's sound is not kept.",
    "Push-to-talk keeps what you say.",
)
STALLED = Notice(
    "stalled",
    "warning",
    "The server has not taken in anything for 2 seconds. What you say is recorded.",
    "After 10 seconds it is treated as lost, and tried again.",
)
MP3_GAPS = Notice(
    "mp3_gaps",
    "warning",
    "There are small gaps in the agent's sound: each of its pieces is an MP3 of its own, without the tag that would "
    "tell how much silence its encoder added.",
    "Whoever runs the server mends it: slices of one MP3, or PCM16.",
)
NO_ANSWER = Notice("no_answer", "warning", "No answer came in 30 seconds.", "Say it again, or check the microphone.")
NOT_OPENED = Notice(
    "nothing_heard",
    "warning",
    "The microphone had not opened yet when you let go, so nothing was heard.",
    "Hold the key until the screen no longer says opening.",
)
NO_SOUND = Notice(
    "nothing_heard", "warning", "The microphone delivered no sound.", "Check it with selam-voice devices."
)


def recorded(within_s: int) -> Notice:
    """Tell that the connection broke while the user spoke; `within_s`: how soon it has to be back."""
    sentence = f"What you say is recorded. It is sent again whole if the connection is back within {within_s} s."
    return Notice("recorded", "info", sentence, "Later it is kept until you send it.")


def dropped(seconds: float) -> Notice:
    """Tell how much of an open microphone's sound the connection had no room for so far."""
    sentence = f"The connection is slower than speech: {seconds:.1f} s of what was said had to be dropped."
    return Notice("dropped", "warning", sentence, "Mute the microphone for a while, or use push-to-talk.")


def unlogged(problem: str) -> Notice:
    """Tell that nothing more stands in the log; whatever else is done does not depend on it."""
    remedy = "Make room, or see to its folder: selam-voice doctor says where it is."
    return Notice("log_unwritable", "warning", f"The log cannot be written: {problem}.", remedy)


def too_long(most_s: int) -> Notice:
    """Tell that an utterance was ended, because it had lasted as long as one may."""
    sentence = f"{most_s} seconds are the most that one utterance may last."
    return Notice("too_long", "warning", sentence, "It was sent; press again to go on.")


def too_quiet(heard_rms: float, needed_rms: float) -> Notice:
    """Tell that no moment of an utterance was as loud as the agent's threshold; both as the RMS of int16 samples."""
    sentence = (
        f"What you said was too quiet for the agent: {dbfs(heard_rms):.0f} dBFS, and it takes {dbfs(needed_rms):.0f}."
    )
    remedy = "Speak closer, choose another microphone, or lower the VAD threshold."
    return Notice("too_quiet", "warning", sentence, remedy)


def kept(seconds: float, why: str) -> Notice:
    """Tell that speech could not be delivered and is kept."""
    return Notice("kept", "info", f"{seconds:.1f} s of speech are kept: {why}.", "Send them with resend.")


def kept_full(most_s: float, gone_s: float) -> Notice:
    """Tell that the oldest of what is kept had to go."""
    sentence = f"At most {most_s / 60:g} minutes of speech are kept: the oldest {gone_s:.1f} s are gone."
    return Notice("kept_full", "warning", sentence, "Send the rest with resend while you can.")


def unacknowledged(action: str) -> Notice:
    """Tell that the server did not answer a control action."""
    sentence = f"The server did not acknowledge {action} in 2 seconds."
    return Notice("no_ack", "warning", sentence, "It may be overloaded.")
