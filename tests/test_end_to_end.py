"""The main job on real input: a voice in a (virtual) microphone, through the real screen, to a server and back."""

import asyncio
import sys

import numpy as np
import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from selam_cli.core import protocol
from tests.support.conversations import reply
from tests.support.speech import are_in_order, as_heard, correlation, heard_in_pieces, spoken, trimmed
from tests.support.terminal import Terminal
from tests.support.voice_server import voice_server

pytestmark = pytest.mark.xdist_group("sound")  # recordings are judged: one sound server at a time has to keep up

QUESTION = "The quick brown fox jumps over the lazy dog."
ANSWER = "A rainbow is a division of white light."
HASTE = "Stop at once."


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


async def test_a_spoken_question_reaches_the_server_and_the_answer_the_ear(sound_card, tmp_path):
    question, answer, haste = trimmed(spoken(QUESTION)), trimmed(spoken(ANSWER, "rms")), trimmed(spoken(HASTE))
    config = tmp_path / "config.toml"
    config.write_text("pre_roll_ms = 1000\n")  # a long one, for the machine may be slow to press
    async with voice_server() as server:
        environment = {"SELAM_CONFIG": str(config)}
        with talk("--server", server.url, sound_card=sound_card, environment=environment) as terminal:
            await ready(terminal)
            terminal.press(" ")
            await server.until(lambda: server.audio)
            await asyncio.to_thread(sound_card.speak, question)
            terminal.release(" ")
            heard = await sent_whole(server)

            with sound_card.recording(rate_hz=48_000) as recorded:
                await server.send(protocol.Transcription("the quick brown fox"))
                await reply(server, answer, ANSWER)
                await asyncio.to_thread(terminal.wait_for_text, "the quick brown fox")
                await asyncio.to_thread(terminal.wait_for_text, "A rainbow is a division")
                await asyncio.to_thread(terminal.wait_for_text, "READY")

            # A hasty speaker begins before the key: the pre-roll has it.
            with sound_card.listening() as until_loud:
                speaking = asyncio.create_task(asyncio.to_thread(sound_card.speak, haste))
                await asyncio.to_thread(until_loud)
            terminal.press(" ")
            await speaking
            terminal.release(" ")
            in_haste = await sent_whole(server, since=len(heard))
            terminal.press("q")
            assert await asyncio.to_thread(terminal.wait_for_exit) == 0
    assert correlation(question, heard)[0] >= 0.99
    assert heard_whole(answer, recorded[0])
    assert correlation(haste, in_haste)[0] >= 0.99


async def sent_whole(server, since=0):
    """Return an utterance, with the second of silence that ends it; `since` is how much was sent before."""
    begin = 2 * since
    await server.until(lambda: len(server.audio) > begin + 32_000 and not any(server.audio[-32_000:]))
    return np.frombuffer(server.audio[begin:], "<i2")


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
