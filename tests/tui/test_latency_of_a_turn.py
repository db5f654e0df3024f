"""What a turn with the embedded agent took, on the screen and in the agent's own figures: all of it real."""

import asyncio
import re
import sys

import numpy as np
import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is a POSIX thing", allow_module_level=True)

from selam_cli.agent.provider_choice import choose_engines
from selam_cli.agent.stt import sphinx
from selam_cli.config.agent_settings import AgentSettings
from selam_cli.credentials.handshake import Credentials
from selam_cli.sound.files import write_wav
from tests.agent.conftest import server  # noqa: F401  # a fixture
from tests.support.embedded_agent import NOBODY, embedded_with
from tests.support.needs import need, need_programs
from tests.support.openai_server import says
from tests.support.speech import spoken
from tests.support.terminal import EVENT_TYPES, KITTY, Terminal

PARTS = {"understood": "transcription", "answer text": "first_token", "answer sound": "first_sound"}


def shown_ms(screen: str) -> dict[str, float]:
    """Return the latency view's figures as far as they are there, in ms."""
    found = {part: re.search(rf"{part} +([\d,]+) ms", screen) for part in PARTS}
    return {part: float(match[1].replace(",", "")) for part, match in found.items() if match}


async def test_the_screen_and_the_metrics_tell_how_long_each_part_of_a_turn_took(tmp_path, server):  # noqa: F811
    need("pocketsphinx", sphinx.available() is None)
    need_programs("espeak-ng")
    server.answers = {"chat/completions": says("It is noon.")}
    settings = AgentSettings(stt="pocketsphinx", llm_url=server.base_url, llm_model="m", tts="espeak")
    engines = await choose_engines(settings, Credentials(), NOBODY)
    room = np.random.default_rng(5).normal(0, 5, 60 * 16_000).astype(np.int16)
    question = tmp_path / "question.wav"
    write_wav(str(question), np.concatenate((spoken("What time is it in London right now?"), room)), 16_000)
    async with embedded_with(engines, end_of_speech_ms=60_000) as agent:  # so that it is the key that ends the speech
        program = [sys.executable, "-m", "selam_cli", "talk", "--server", agent.url.replace("http", "ws"),
                   "--voice", "aria", "--input", str(question), "--output", "null"]  # fmt: skip
        with Terminal(program, profile=KITTY, environment={"SELAM_API_KEY": "sk-selam-test-screen"}) as terminal:
            await asyncio.to_thread(terminal.wait_for, lambda: terminal.flags & EVENT_TYPES, "event types")
            await asyncio.to_thread(terminal.wait_for_text, "READY")
            terminal.press("y")
            terminal.press(" ")
            await asyncio.to_thread(terminal.wait_for_text, "what time")
            terminal.release(" ")
            await asyncio.to_thread(terminal.wait_for, lambda: len(shown_ms(terminal.text)) == len(PARTS), "figures")
            shown = shown_ms(terminal.text)
            terminal.press("q")
            assert await asyncio.to_thread(terminal.wait_for_exit) == 0
        told = await agent.figures()
    assert shown["understood"] <= shown["answer text"] <= shown["answer sound"]
    for part, name in PARTS.items():
        assert told[f"{name}_seconds_count",] == 1
        assert 1_000 * told[f"{name}_seconds_sum",] <= shown[part] + 1, "the client's begins earlier, at the key"
