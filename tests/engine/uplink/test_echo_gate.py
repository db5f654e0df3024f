"""What reaches the capture and the server while the agent sounds, with and without echo cancellation."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from selam_cli.config.settings import Settings
from selam_cli.core import events
from selam_cli.core.protocol import AudioEnd, ReplyChunk
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.engine.uplink.echo_gate import TAIL_S, EchoGate, EchoLeak
from selam_cli.sound.reference import RenderReference
from tests.support.lines import talk_json
from tests.support.talker import talker, tone
from tests.support.voice_server import voice_server

BLOCK_S = 0.02
DELAY_S = 0.1
LOUD = np.full(320, 3_000, np.int16)
SOFT = np.full(320, 30, np.int16)


class Heard:
    """A hearing without devices: the test is the speaker's callback, the microphone and the clock."""

    def __init__(self, settings=Settings(ptt="open")):  # noqa: B008  # frozen
        self.now = 100.0
        self.told = []
        self.delivered = []
        self.player = ReplyPlayer()
        self.player.reference = RenderReference(lambda: self.now)
        self.player.delay = lambda: DELAY_S
        self.pull = self.player.make_pull(16_000)
        self.in_force = None
        self.hearing = EchoGate(
            settings, self.player, lambda *block: self.delivered.append(block), self.told.append, self._changed
        )

    def _changed(self, in_force):
        self.in_force = in_force

    def pass_time(self, seconds, heard=LOUD):
        """Play and hear for so long; return what an open microphone sends, one block of 20 ms a number: its peak."""
        sent = []
        for _ in range(round(seconds / BLOCK_S)):
            self.now += BLOCK_S
            self.pull(320)
            self.hearing.on_block(heard, self.now)
            sent.append(int(self.hearing.only_the_user(heard, self.now).max()))
        return sent

    def answer(self, seconds):
        self.player.feed(ReplyChunk(tone(seconds).tobytes(), "pcm16", 16_000))
        self.player.finish()


def test_an_open_microphone_without_echo_cancellation_is_deaf_while_the_agent_sounds():
    heard = Heard()
    assert set(heard.pass_time(0.2)) == {3_000}
    heard.answer(0.4)
    assert set(heard.pass_time(0.4)) == {0}
    after = heard.pass_time(1.0)
    silent_s = after.index(3_000) * BLOCK_S
    assert DELAY_S + TAIL_S <= silent_s <= DELAY_S + TAIL_S + 2 * BLOCK_S
    assert set(after[after.index(3_000) :]) == {3_000}


def test_it_stays_deaf_where_a_reply_waits_for_more():
    heard = Heard()
    heard.player.feed(ReplyChunk(tone(0.2).tobytes(), "pcm16", 16_000))
    assert set(heard.pass_time(2.0)) == {0}


def test_a_reply_that_is_cut_off_gives_the_microphone_back_after_the_rooms_tail():
    heard = Heard()
    heard.answer(5.0)
    heard.pass_time(1.0)
    heard.player.stop()
    after = heard.pass_time(1.0)
    assert after[0] == 0
    assert after[-1] == 3_000


def test_where_the_microphone_hears_the_speaker_the_pre_roll_is_left_out():
    heard = Heard(Settings())
    heard.answer(3.0)
    heard.pass_time(2.0)
    assert heard.hearing.clean_from(heard.now, 600) == heard.now
    heard.player.stop()
    heard.pass_time(0.5, SOFT)
    assert heard.hearing.clean_from(heard.now, 600) == pytest.approx(heard.now - 0.5 + DELAY_S + TAIL_S, abs=0.041)


def test_a_headset_keeps_the_whole_pre_roll_though_the_agent_sounds():
    heard = Heard(Settings())
    heard.answer(3.0)
    heard.pass_time(2.0, SOFT)
    heard.pass_time(0.3, LOUD)  # the user has begun to talk
    assert heard.hearing.clean_from(heard.now, 600) == float("-inf")


def test_what_is_heard_while_the_agent_is_silent_tells_nothing_of_the_speaker():
    heard = Heard(Settings())
    heard.pass_time(3.0)
    assert heard.hearing.clean_from(heard.now, 600) == float("-inf")


def test_a_cough_is_no_echo():
    leak = EchoLeak()
    for number in range(100):
        leak.heard(5_000.0 if number < 10 else 20.0, number * BLOCK_S)
    assert not leak.loud(600, 10.0)


async def test_the_agents_voice_before_the_key_is_not_in_the_utterance():
    async with voice_server() as server, talker(server.url, pre_roll_ms=300) as user:
        await user.until(events.SessionStarted)
        conversation, player = user.engine.conversation, user.engine._player
        pull = player.make_pull(16_000)
        await server.send(ReplyChunk(tone(5.0).tobytes(), "pcm16", 16_000))
        await user.until(events.Audio)
        # The agent sounds, and the microphone hears it; long enough ago for it to be no user who hurries.
        for _ in range(100):
            pull(160)
        for number in range(50):
            conversation.hearing.on_block(LOUD, player.reference.sounded_until - 2.0 + number * BLOCK_S)
        now = player.reference.sounded_until
        for number in range(10):
            conversation.hearing.on_block(LOUD, now - 0.2 + number * BLOCK_S)
        user.do(f"press {now}")
        user.say(tone(0.2))
        user.do("release")
        conversation.capture.end_now()
        await user.until(events.TalkEnded)
    assert user.of(events.TalkEnded)[0].seconds == pytest.approx(0.2, abs=0.03)


async def test_while_the_agent_sounds_an_open_microphone_sends_silence_so_that_time_goes_on():
    async with voice_server() as server, talker(server.url, ptt="open") as user:
        await user.until(events.SessionStarted)
        user.engine._player.make_pull(16_000)
        await server.send(ReplyChunk(tone(5.0).tobytes(), "pcm16", 16_000))
        await user.until(events.Audio)
        user.say(tone(0.5))
        await server.until(lambda: len(server.audio) == 16_000)
        assert not any(server.audio)
        await server.send(AudioEnd(1))


# --- with the extra, and without ------------------------------------------------------------------------------------


def with_livekit():
    pytest.importorskip("selam_cli.sound.webrtc_apm", reason="livekit has no wheel for this machine")


async def test_where_the_extra_is_installed_echo_is_cancelled_without_being_asked_for():
    with_livekit()
    heard = Heard()
    await heard.hearing.load()
    assert heard.in_force == ("echo_cancellation",)
    heard.answer(1.0)
    assert set(heard.pass_time(0.5)) == {3_000}, "the user is heard while the agent speaks"
    assert heard.hearing.clean_from(heard.now, 600) == float("-inf")
    assert heard.told == []


async def test_each_has_its_switch():
    with_livekit()
    everything = Settings(echo_cancellation=True, noise_suppression=True, gain_control=True)
    for name in ("echo_cancellation", "noise_suppression", "gain_control"):
        heard = Heard(replace(everything, **{name: False}))
        await heard.hearing.load()
        assert set(heard.in_force) == {"echo_cancellation", "noise_suppression", "gain_control"} - {name}


async def test_switched_off_every_block_passes_as_it_is():
    heard = Heard(Settings(echo_cancellation=False))
    await heard.hearing.load()
    block = tone(0.02)
    heard.hearing.on_block(block, 7.0)
    (delivered, ended_at) = heard.delivered[0]
    assert np.array_equal(delivered, block)
    assert ended_at == 7.0
    assert heard.in_force is None


async def test_a_processor_that_fails_costs_no_sound():
    with_livekit()
    heard = Heard()
    await heard.hearing.load()
    heard.hearing._front_end._processor._module._ffi_handle.dispose()  # what it holds is gone
    heard.hearing.on_block(LOUD, heard.now)
    assert np.array_equal(heard.delivered[0][0], LOUD)
    assert heard.in_force == ()
    assert [notice.code for notice in heard.told] == ["aec_failed"]


@pytest.fixture
def broken(tmp_path):
    """An environment in which the library is there and cannot be imported, as where it is not installed."""
    package = tmp_path / "broken" / "livekit"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no such library')\n")
    return {"PYTHONPATH": str(package.parent)}


async def started(tmp_path, text, environment):
    """Start `talk --json` with these settings; return its state once all is loaded, and its notices' codes."""
    config = tmp_path / "config.toml"
    config.write_text(text)
    async with (
        voice_server() as server,
        talk_json(
            "--server", server.url, "--output", "null", "--input", str(tmp_path / "voice.wav"),
            environment={**environment, "SELAM_CONFIG": str(config)},
        ) as lines,
    ):  # fmt: skip
        await lines.until("session_started")
        lines.send('{"id": 1, "command": "volume", "argument": 50}')
        await lines.until("ack")
        if "= true" in text:
            await lines.until("notice")
        lines.send("quit")
        assert await lines.ended() == 0
    return lines


@pytest.fixture
def voice_file(tmp_path):
    import soundfile  # beside its use

    soundfile.write(tmp_path / "voice.wav", tone(0.2), 16_000)


async def test_a_switch_that_is_on_without_the_extra_is_told_with_its_remedy(tmp_path, broken, voice_file):
    lines = await started(tmp_path, "noise_suppression = true\n", broken)
    (notice,) = [line for line in lines.events("notice") if line["code"] == "aec_missing"]
    assert "noise_suppression" in notice["message"]
    assert "echo_cancellation" not in notice["message"], "nobody asked for that"
    assert "pip install 'selam-voice[aec]'" in notice["remedy"]
    assert lines.events("state")[-1]["processing"] == []


async def test_without_the_extra_and_without_a_wish_nothing_is_said(tmp_path, broken, voice_file):
    lines = await started(tmp_path, "", broken)
    assert not [line for line in lines.events("notice") if line["code"] == "aec_missing"]


async def test_the_state_says_what_is_in_force(tmp_path, voice_file):
    with_livekit()
    async with (
        voice_server() as server,
        talk_json(
            "--server", server.url, "--output", "null", "--input", str(tmp_path / "voice.wav"), "--ptt", "open"
        ) as lines,
    ):
        await lines.until("state", lambda line: line["processing"] == ["echo_cancellation"])
        lines.send("quit")
        assert await lines.ended() == 0
    assert json.dumps(lines.errors.decode()) == '""', "the library prints nothing"


async def test_an_engine_with_the_library_ends_before_the_interpreter_is_taken_down(tmp_path, voice_file):
    """A thread of the library that calls into Python then aborts the process, now and then on a busy machine."""
    with_livekit()
    code = "import atexit, os; atexit.register(os.write, 2, b'TAKEN DOWN'); from selam_cli.__main__ import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "talk", "--json", "--server", "ws://127.0.0.1:1", "--output", "null",
        "--input", str(tmp_path / "voice.wav"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    async for line in process.stdout:
        if b'"echo_cancellation"' in line:
            process.stdin.close()
    assert await process.wait() == 4
    log = next(tmp_path.rglob("selam-voice.log")).read_text()
    assert "left with status 4" in log
    assert "TAKEN DOWN" not in log


def test_who_wants_none_loads_none(broken):
    program = (
        "import asyncio, sys\n"
        "from selam_cli.engine.uplink.echo_gate import EchoGate\n"
        "from selam_cli.engine.reply.player import ReplyPlayer\n"
        "from selam_cli.config.settings import Settings\n"
        "hearing = EchoGate(Settings(echo_cancellation=False), ReplyPlayer(), print, print, print)\n"
        "asyncio.run(hearing.load())\n"
        "print('selam_cli.sound.webrtc_apm' in sys.modules, 'livekit' in sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, **broken}
    )
    assert ended.stdout.split() == ["False", "False"]
