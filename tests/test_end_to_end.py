"""The main job on real input: a voice in a (virtual) microphone, through the real screen, to a server and back."""

import asyncio
import sys

import numpy as np
import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from selam_cli.core import protocol
from selam_cli.core.protocol import AudioChunk
from tests.support.conversations import reply
from tests.support.speech import are_in_order, as_heard, correlation, heard_in_pieces, spoken, trimmed
from tests.support.terminal import Terminal
from tests.support.voice_server import voice_server

pytestmark = pytest.mark.xdist_group("sound")  # recordings are judged: one sound server at a time has to keep up

QUESTION = "The quick brown fox jumps over the lazy dog."
ANSWER = "A rainbow is a division of white light."


def talk(*arguments, sound_card, columns=100, rows=30, environment=None):
    return Terminal(
        [sys.executable, "-m", "selam_cli", "talk", *arguments],
        kitty=True, columns=columns, rows=rows, environment={**sound_card.environment, **(environment or {})},
    )  # fmt: skip


async def ready(terminal):
    await asyncio.to_thread(terminal.wait_for_text, "READY")
    await asyncio.to_thread(terminal.wait_for, lambda: "hold space  " in terminal.text, "releases are told")
    # A session may be there before the sound is; what was said before the microphone was open, nobody heard.
    await asyncio.to_thread(terminal.wait_for, lambda: "no microphone" not in terminal.text, "the microphone is open")


def heard_whole(said, recorded):
    """Say whether what was said is in a recording at 48 kHz, in order, whatever the sound server itself tore.

    Its holes in soft places cannot be told from pauses; each may cost a piece.
    """
    heard = as_heard(recorded, 48_000)
    return heard_in_pieces(said, heard) >= 0.8 and are_in_order(said, heard)


async def test_a_spoken_question_reaches_the_server_and_the_answer_the_ear(sound_card):
    question, answer = trimmed(spoken(QUESTION)), trimmed(spoken(ANSWER, "rms"))
    async with voice_server() as server:
        with talk("--server", server.url, sound_card=sound_card) as terminal:
            await ready(terminal)
            terminal.press(" ")
            await server.until(lambda: server.audio)
            await asyncio.to_thread(sound_card.speak, question)
            terminal.release(" ")
            await server.until(lambda: len(server.audio) > 32_000 and not any(server.audio[-32_000:]))
            heard = np.frombuffer(server.audio, "<i2")

            with sound_card.recording(rate_hz=48_000) as recorded:
                await server.send(protocol.Transcription("the quick brown fox"))
                await reply(server, answer, ANSWER)
                await asyncio.to_thread(terminal.wait_for_text, "the quick brown fox")
                await asyncio.to_thread(terminal.wait_for_text, "A rainbow is a division")
                await asyncio.to_thread(terminal.wait_for_text, "READY")
            terminal.press("q")
            assert await asyncio.to_thread(terminal.wait_for_exit) == 0
    assert correlation(question, heard)[0] >= 0.99
    assert heard_whole(answer, recorded[0])


async def test_with_the_embedded_agent_you_hear_yourself(sound_card):
    question = trimmed(spoken(QUESTION))
    with talk("--local", sound_card=sound_card) as terminal:
        await ready(terminal)
        terminal.tap(" ")
        await asyncio.to_thread(terminal.wait_for_text, "MICROPHONE")
        await asyncio.to_thread(sound_card.speak, question)
        with sound_card.recording(rate_hz=48_000) as recorded:
            terminal.tap(" ")
            await asyncio.to_thread(terminal.wait_for_text, "This is how you sounded")
            await asyncio.to_thread(terminal.wait_for_text, "SPEAKING")
            await asyncio.to_thread(terminal.wait_for_text, "READY")
        terminal.press("q")
        assert await asyncio.to_thread(terminal.wait_for_exit) == 0
    assert heard_whole(question, recorded[0])


async def test_what_was_said_just_before_the_key_is_in_the_utterance(sound_card, tmp_path):
    """A hasty speaker begins before the key: the pre-roll has it. A long one, for the machine may be slow to press."""
    config = tmp_path / "config.toml"
    config.write_text("pre_roll_ms = 1000\n")
    question = trimmed(spoken("Stop at once."))
    async with voice_server() as server:
        environment = {"SELAM_CONFIG": str(config)}
        with talk("--server", server.url, sound_card=sound_card, environment=environment) as terminal:
            await ready(terminal)
            with sound_card.listening() as until_loud:
                speaking = asyncio.create_task(asyncio.to_thread(sound_card.speak, question))
                await asyncio.to_thread(until_loud)
            terminal.press(" ")
            await speaking
            terminal.release(" ")
            await server.until(lambda: len(server.audio) > 32_000 and not any(server.audio[-32_000:]))
    sent = b"".join(message.audio for message in server.messages(AudioChunk))
    assert correlation(question, np.frombuffer(sent, "<i2"))[0] >= 0.99
