"""`ask` as scripts use it: a file or a pipe in, text out, and an exit status."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from selam_cli.core import protocol
from selam_cli.core.protocol import AudioChunk, AudioEnd, EndSession, ErrorReport, ReplyChunk, Response
from selam_cli.sound.files import write_wav
from tests.support.in_process import run_beside
from tests.support.speech import correlation, spoken, trimmed
from tests.support.voice_server import voice_server


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "question.wav"
    write_wav(str(path), spoken("What time is it?"), 16_000)
    return str(path)


async def ask(*arguments, environment=None):
    status, output, errors = await run_beside("ask", *arguments, environment=environment)
    assert b"Traceback" not in errors
    return status, output.decode(), errors.decode()


async def ask_as_a_process(*arguments, stdin=b"", environment=None, stdout=subprocess.PIPE):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "selam_cli", "ask", *arguments, env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(stdin), 60)
    assert b"Traceback" not in errors
    return process.returncode, output, errors.decode()


async def test_a_question_to_the_embedded_agent(question, tmp_path):
    out = tmp_path / "reply.wav"
    status, output, errors = await ask_as_a_process(question, "--local", "--out", str(out))
    assert (status, errors) == (0, "")
    you, agent = output.decode().splitlines()
    assert you.startswith("You: (")
    assert agent.startswith("Agent: You spoke for ")
    reply, rate_hz = soundfile.read(out, dtype="int16")
    assert rate_hz == 16_000
    assert correlation(trimmed(soundfile.read(question, dtype="int16")[0]), reply)[0] >= 0.99


async def test_raw_sound_on_standard_input(question):
    said, _ = soundfile.read(question, dtype="int16")
    async with voice_server() as server:
        answered = asyncio.create_task(answer_when_silent(server))
        status, output, _ = await ask_as_a_process("-", "--server", server.url, stdin=said.tobytes() + b"\x01")
        await answered
    assert status == 0
    assert output.decode() == "You: what time is it\nAgent: Time to go.\n"
    assert np.array_equal(np.frombuffer(server.audio, "<i2")[: len(said)], said)


async def answer_when_silent(server, *, sound=b"\x01\x02" * 2_400, rate_hz=24_000):
    await server.until(lambda: len(server.audio) > 32_000 and not any(server.audio[-32_000:]))
    await server.send(protocol.Transcription("what time is it"))
    await server.send(Response("Time to go."))
    for start in range(0, len(sound), 4_800):
        await server.send(ReplyChunk(sound[start : start + 4_800], "pcm16", rate_hz))
    await server.send(AudioEnd(len(sound) // 4_800))


async def test_the_replys_own_rate_is_kept(question, tmp_path):
    out = tmp_path / "reply.wav"
    async with voice_server() as server:
        answered = asyncio.create_task(answer_when_silent(server))
        status, _, _ = await ask(question, "--server", server.url, "--out", str(out))
        await answered
    assert status == 0
    reply, rate_hz = soundfile.read(out, dtype="int16")
    assert rate_hz == 24_000
    assert reply.tobytes() == b"\x01\x02" * 2_400


async def test_json_writes_the_same_lines_as_talk(question):
    async with voice_server() as server:
        answered = asyncio.create_task(answer_when_silent(server))
        status, output, errors = await ask(question, "--server", server.url, "--json")
        await answered
    assert (status, errors) == (0, "")
    lines = [json.loads(line) for line in output.splitlines()]
    assert lines[0]["event"] == "hello"
    assert lines[-1]["event"] == "session_ended"
    assert [line["outcome"] for line in lines if line["event"] == "turn_ended"] == ["answered"]


async def test_a_question_cut_by_a_lost_connection_is_asked_again_whole(question):
    said, _ = soundfile.read(question, dtype="int16")
    async with voice_server() as server:
        asking = asyncio.create_task(ask(question, "--server", server.url))
        await server.until(lambda: len(server.audio) >= 6_400)
        before = len(server.received)
        await server.drop()
        await server.until(lambda: len(server.sids) == 2)
        await server.until(lambda: not any(server.audio[-32_000:]))
        await server.send(Response("Here I am."))
        await server.send(AudioEnd(0))
        status, output, _ = await asking
    again = b"".join(message.audio for _, message in server.received[before:] if isinstance(message, AudioChunk))
    assert status == 0
    assert output == "Agent: Here I am.\n"
    assert np.array_equal(np.frombuffer(again, "<i2")[: len(said)], said)


async def test_no_answer_in_time_is_status_6(question):
    async with voice_server() as server:
        status, output, errors = await ask(question, "--server", server.url, "--timeout", "1")
    assert status == 6
    assert output == ""
    assert "No answer came within 1 seconds." in errors


async def test_an_error_of_the_service_is_status_6_with_its_message(question):
    async with voice_server() as server:
        asking = asyncio.create_task(ask(question, "--server", server.url))
        await server.until(lambda: len(server.audio) > 32_000 and not any(server.audio[-32_000:]))
        await server.send(ErrorReport("audio_error", "It is too quiet."))
        status, _, errors = await asking
    assert status == 6
    assert errors.startswith("It is too quiet.")


async def test_a_refused_key_is_status_3(question):
    async with voice_server() as server:

        def refuse():
            from socketio.exceptions import ConnectionRefusedError as Refused  # shadows a builtin

            raise Refused("authentication_error", {"type": "authentication_error", "message": "Unknown key."})

        server.refuse = refuse
        status, _, errors = await ask(
            question, "--server", server.url, environment={"SELAM_API_KEY": "sk-selam-test-canary"}
        )
    assert status == 3
    assert errors.startswith("Unknown key.")
    assert "canary" not in errors


async def test_an_unreachable_server_is_status_4(question):
    status, _, errors = await ask(question, "--server", "ws://127.0.0.1:1")
    assert status == 4
    assert errors.startswith("Nothing answers at ws://127.0.0.1:1.")


@pytest.mark.parametrize(("content", "said"), [(None, "no file"), (b"", "no audio"), (b"hello\n" * 50, "no audio")])
async def test_a_file_that_is_no_sound_is_status_2(tmp_path, content, said):
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    status, output, errors = await ask(str(path), "--local")
    assert (status, output) == (2, "")
    assert said in errors


async def test_empty_standard_input_is_status_2():
    status, _, errors = await ask("-", "--local")
    assert status == 2
    assert "no sound" in errors


async def test_a_reply_that_cannot_be_written_is_told_before_anything_is_said(question):
    status, _, errors = await ask(question, "--local", "--out", "/nowhere/at/all.wav")
    assert status == 2
    assert "cannot be written" in errors


async def test_ctrl_c_ends_the_session_and_is_status_130(question):
    async with voice_server() as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "selam_cli", "ask", question, "--server", server.url,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        await server.until(lambda: server.audio)
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 130
        assert server.messages(EndSession)
        assert errors == b""


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a POSIX thing")
async def test_on_a_terminal_it_says_what_it_is_doing_and_wipes_that_away(question):
    from tests.support.terminal import Terminal  # POSIX only

    async with voice_server() as server:
        answered = asyncio.create_task(answer_when_silent(server))
        program = [sys.executable, "-m", "selam_cli", "ask", question, "--server", server.url]
        with Terminal(program) as terminal:
            await asyncio.to_thread(terminal.wait_for_text, "speaking 0.")
            await asyncio.to_thread(terminal.wait_for_text, "waiting for the answer")
            assert await asyncio.to_thread(terminal.wait_for_exit) == 0
            assert terminal.text.split() == ["You:", "what", "time", "is", "it", "Agent:", "Time", "to", "go."]
        await answered


# --- how long, and where to -------------------------------------------------------------------------------------------


async def test_the_time_out_counts_from_the_end_of_speech(tmp_path):
    path = tmp_path / "long.wav"
    write_wav(str(path), np.tile(spoken("What time is it?"), 3), 16_000)
    async with voice_server() as server:
        answered = asyncio.create_task(answer_when_silent(server))
        seconds = len(soundfile.read(path)[0]) / 16_000
        status, output, errors = await ask(str(path), "--server", server.url, "--timeout", str(seconds - 0.5))
        await answered
    assert (status, errors) == (0, "")
    assert output.endswith("Agent: Time to go.\n")


async def test_speech_that_is_too_long_is_told_before_anything_is_sent(tmp_path):
    path = tmp_path / "long.wav"
    write_wav(str(path), np.full(130 * 16_000, 3_000, np.int16), 16_000)
    async with voice_server() as server:
        status, output, errors = await ask(str(path), "--server", server.url)
        assert not server.received
    assert (status, output) == (2, "")
    assert "lasts 130.0 s, and 120 s are the most that one utterance may last.\nShorten it" in errors


async def test_speech_from_a_pipe_that_is_too_long_is_cut_and_that_is_told(tmp_path):
    (tmp_path / "config.toml").write_text("max_talk_s = 5\n")
    environment = {"SELAM_CONFIG": str(tmp_path / "config.toml")}
    said = np.tile(spoken("What time is it?"), 6)[: 7 * 16_000]
    async with voice_server() as server:
        answered = asyncio.create_task(answer_when_silent(server))
        status, output, errors = await ask_as_a_process(
            "-", "--server", server.url, stdin=said.tobytes(), environment=environment
        )
        await answered
    assert status == 0
    assert output.endswith(b"Agent: Time to go.\n")
    assert errors.startswith("5 seconds are the most that one utterance may last. The rest was not sent")
    assert len(server.audio) / 32_000 == pytest.approx(5.02 + 1.0, abs=0.03)  # with the closing silence


@pytest.mark.skipif(sys.platform == "win32", reason="a full device is a POSIX thing")
async def test_an_answer_that_cannot_be_printed_is_told(question):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        async with voice_server() as server:
            answered = asyncio.create_task(answer_when_silent(server))
            status, _, errors = await ask_as_a_process(question, "--server", server.url, stdout=full)
            await answered
    assert status == 1
    assert errors.startswith("The answer cannot be written: No space left on device.")


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("nowhere/reply.wav", "there is no folder"),
        ("folder", "it is a folder"),
        ("reply.mp3", "sound is kept as WAV"),
        ("notes.txt", "sound is kept as WAV"),
        ("question.wav", "it is the recording that is spoken"),
        ("question.wav/reply.wav", "cannot be written"),
        ("n" * 300, "cannot be written"),
    ],
)
async def test_where_a_reply_cannot_be_kept_is_told_before_the_turn(question, tmp_path, out, said):
    (tmp_path / "folder").mkdir()
    before = (tmp_path / "question.wav").read_bytes()
    async with voice_server() as server:
        status, output, errors = await ask(question, "--server", server.url, f"--out={tmp_path / out}")
        assert not server.sids
    assert (status, output) == (2, "")
    assert said in errors
    assert (tmp_path / "question.wav").read_bytes() == before


async def test_a_reply_may_be_kept_in_the_home_folder(question, tmp_path):
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    async with voice_server() as server:
        answered = asyncio.create_task(answer_when_silent(server))
        status, _, _ = await ask("~/question.wav", "--server", server.url, "--out=~/reply.wav", environment=home)
        await answered
    assert status == 0
    assert soundfile.read(tmp_path / "reply.wav", dtype="int16")[0].tobytes() == b"\x01\x02" * 2_400


async def test_a_reply_on_standard_output_has_its_text_beside_it(question):
    async with voice_server() as server:
        answered = asyncio.create_task(answer_when_silent(server))
        status, sound, text = await ask_as_a_process(question, "--server", server.url, "--out", "-")
        await answered
    assert (status, text) == (0, "You: what time is it\nAgent: Time to go.\n")
    assert soundfile.read(io.BytesIO(sound), dtype="int16")[0].tobytes() == b"\x01\x02" * 2_400
