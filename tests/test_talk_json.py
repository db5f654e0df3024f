"""`talk --json` as a process: the interface that scripts, and our own screen, rely on."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from selam_cli.commands.talk_json import end_on_signals
from selam_cli.core.protocol import EndSession, ReplyChunk
from selam_cli.engine.host.client import EngineClient
from selam_cli.sound.files import write_wav
from tests.support.in_process import run_beside, run_here
from tests.support.lines import talk_json
from tests.support.node import node_command
from tests.support.speech import correlation, spoken, trimmed
from tests.support.talker import tone
from tests.support.voice_server import voice_server
from tests.support.wavs import wav

KEY = "sk-selam-test-canary-4711"
QUESTION_S = 2.0


def files(question):
    return ("--input", question, "--output", "null")


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "question.wav"
    write_wav(str(path), spoken("Where were you while we were away?"), 16_000)  # 1.95 s
    return str(path)


async def test_a_conversation_with_the_embedded_agent_through_files(question, tmp_path):
    out = tmp_path / "heard.wav"
    async with talk_json("--local", "--input", question, "--output", str(out)) as engine:
        await engine.until("session_started")
        engine.send("press")
        await engine.until_spoken(QUESTION_S)
        engine.send("release")
        await engine.until("turn_ended")
        engine.send("quit")
        assert await engine.ended() == 0
    assert engine.errors == b""
    assert engine.written[0]["event"] == "hello"
    assert engine.written[0]["protocol"] == 1
    assert engine.written[-1]["event"] == "session_ended"
    times = [line["t"] for line in engine.written]
    assert times == sorted(times)
    assert engine.events("turn_ended")[0]["outcome"] == "answered"
    assert engine.events("utterance")[0]["outcome"] == "sent"
    heard, rate_hz = soundfile.read(out, dtype="int16")
    original, own_hz = soundfile.read(question, dtype="int16")
    wanted = np.interp(np.arange(0, len(original) / own_hz, 1 / rate_hz), np.arange(len(original)) / own_hz, original)
    assert correlation(trimmed(wanted), heard)[0] >= 0.98


async def test_every_command_is_understood_and_answered(question):
    commands = [
        ("levels", "on"), ("volume", 40), ("mute", "on"), ("mute", "off"), ("vad-threshold", 700), ("devices", None),
        ("interrupt-threshold", 5), ("voice", "ameha"), ("language", "am"), ("instructions", "Be brief.\nBe kind."),
        ("listen", "off"), ("listen", "on"), ("pause", None), ("resume", None), ("interrupt", None), ("press", None),
        ("discard", None), ("retry", None), ("speaker", "null"), ("microphone", question), ("levels", "off"),
        ("calibrate", None), ("release", None), ("cues", "on"),
    ]  # fmt: skip
    async with (
        voice_server() as server,
        talk_json("--server", server.url, "--input", question, "--output", "null") as engine,
    ):
        await engine.until("session_started")
        for number, (command, argument) in enumerate(commands):
            argument_text = "null" if argument is None else json.dumps(argument)
            engine.send(f'{{"id": {number}, "command": "{command}", "argument": {argument_text}}}')
        await engine.until("ack", count=len(commands))
        await engine.until("notice", lambda line: line["code"] == "calibrated")
        await engine.until("devices")
        await engine.until("level")
        engine.send("dance")
        await engine.until("error")
        engine.send("quit")
        assert await engine.ended() == 0
    assert [(line["id"], line["ok"]) for line in engine.events("ack")] == [(n, True) for n in range(len(commands))]
    assert [(line["type"], line["fatal"]) for line in engine.events("error")] == [("usage_error", False)]


async def test_the_official_server_accepts_our_client(question, tmp_path):
    received = tmp_path / "received.raw"
    command, environment = node_command("server.mjs", str(received))
    node = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 24
    )
    port = json.loads(await node.stdout.readline())["port"]
    arguments = ("--server", f"ws://127.0.0.1:{port}", "--input", question, "--output", "null")
    async with talk_json(*arguments, environment={"SELAM_API_KEY": KEY}) as engine:
        await engine.until("session_started")
        engine.send("press")
        await engine.until_spoken(QUESTION_S)
        engine.send("release")
        await engine.until("turn_ended")
        engine.send("quit")
        assert await engine.ended() == 0
    asked = ("ask", question, "--json", "--server", arguments[1])
    refused = await run_beside(*asked, environment={"SELAM_API_KEY": "sk-selam-test-bad"})
    node.stdin.close()
    await node.wait()
    assert [line["text"] for line in engine.events("transcription")] == ["hello", "hello world"]
    assert engine.events("response")[-1]["text"] == "You said hello world."
    assert engine.events("turn_ended")[0]["outcome"] == "answered"
    assert engine.events("audio_end")[0]["total_chunks"] == engine.events("audio")[-1]["chunks"]
    sent = np.fromfile(received, "<i2")
    assert correlation(trimmed(soundfile.read(question, dtype="int16")[0]), sent)[0] >= 0.99
    assert refused.status == 3
    errors = [line for line in map(json.loads, refused.output.splitlines()) if line["event"] == "error"]
    assert errors[0]["type"] == "authentication_error"
    assert b"key" in refused.errors.lower()


async def test_an_answer_that_sounds_at_the_end_fades_out(question, tmp_path):
    out = tmp_path / "heard.wav"
    async with (
        voice_server() as server,
        talk_json("--server", server.url, "--input", question, "--output", str(out)) as engine,
    ):
        await engine.until("session_started")
        await server.send(ReplyChunk(tone(30.0).tobytes(), "pcm16", 16_000))
        await engine.until("playout", lambda line: line["heard_seconds"] > 0.2)
        engine.send("quit")
        assert await engine.ended() == 0
    heard, rate_hz = soundfile.read(out, dtype="int16")
    last_ms = np.abs(
        heard[-rate_hz // 1_000 :].astype(int)
    )  # of a tone of 220 Hz that broke off, half its peak at least
    assert last_ms.max() < 0.25 * np.abs(heard.astype(int)).max()


async def test_a_signal_ends_the_session_properly(question):
    arguments = ("--input", question, "--output", "null")
    async with (
        voice_server() as server,
        talk_json("--server", server.url, *arguments, module="tests.support.patient") as engine,
    ):
        await engine.until("session_started")
        engine.process.send_signal(signal.SIGTERM)
        assert await engine.ended() == 143
        assert server.messages(EndSession)
    assert engine.written[-1]["event"] == "session_ended"


@pytest.mark.skipif(sys.platform == "win32", reason="its signals end a process at once, unless its console sends them")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
async def test_each_signal_has_its_status(name, status):
    left_with: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    end_on_signals(loop, left_with.put_nowait)
    try:
        signal.raise_signal(getattr(signal, name))
        assert await asyncio.wait_for(left_with.get(), 60) == status
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


async def test_end_of_input_is_quit(question):
    arguments = ("--input", question, "--output", "null")
    async with (
        voice_server() as server,
        talk_json("--server", server.url, *arguments, module="tests.support.patient") as engine,
    ):
        await engine.until("session_started")
        engine.process.stdin.close()
        assert await engine.ended() == 0
        assert server.messages(EndSession)


async def test_a_reader_that_goes_away_ends_the_conversation(question):
    async with voice_server() as server:
        reading, writing = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "selam_cli", "talk", "--json", "--server", server.url, "--input", question,
             "--output", "null"],
            stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(writing)
        process.stdin.write(b"press\nlevels on\n")
        process.stdin.flush()
        await server.until(lambda: server.audio)
        os.close(reading)
        status = await asyncio.to_thread(process.wait, 60)
        assert status == 1
        assert server.messages(EndSession)
        assert b"Traceback" not in process.stderr.read()
        process.stdin.close()


async def test_the_key_is_in_no_line_no_argument_and_no_log(question, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    environment = {"SELAM_API_KEY": KEY, "SELAM_DEBUG": "1"}
    async with voice_server() as server:
        arguments = ("--server", server.url, "--input", question, "--output", "null")
        async with talk_json(*arguments, environment=environment) as engine:
            await engine.until("session_started")
            command_line = psutil.Process(engine.process.pid).cmdline()
            await server.drop()
            await engine.until("session_started", count=2)
            engine.send("quit")
            assert await engine.ended() == 0
        assert server.queries[0]["api_key"] == [KEY]
    async with talk_json("--server", "ws://127.0.0.1:1", "--input", question, environment=environment) as lost:
        await lost.until("reconnecting")
        lost.send("quit")
        assert await lost.ended() == 4
    logs = [path.read_text() for path in (tmp_path / "state").rglob("*.log*")]
    assert logs, "a test of the log needs a log"
    assert KEY not in f"{engine.written}{lost.written}{command_line}{engine.errors}{lost.errors}{logs}"
    assert lost.errors.decode().startswith("Nothing answers at ws://127.0.0.1:1.")


def test_the_engine_ends_with_a_screen_that_was_killed(question):
    """The screen's side of the pipe closes without a word: no process of ours survives."""
    code = (
        "import sys, time\nfrom selam_cli.engine.host.client import EngineClient\n"
        "client = EngineClient.start(sys.argv[1:])\n"
        "client.listen(lambda _, event: print(event.name, flush=True), lambda _: None)\ntime.sleep(60)\n"
    )
    screen = subprocess.Popen(
        [sys.executable, "-c", code, "--local", f"--input={question}", "--output=null"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in screen.stdout:
        if line.strip() == "session_started":
            break
    family = psutil.Process(screen.pid).children(recursive=True)
    assert len(family) >= 2, "the engine, its agent, and what tries or makes the agent's voice"
    screen.kill()
    screen.wait()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive


async def test_a_client_gets_every_line_and_the_exit_status(question):
    async with voice_server() as server:
        await asyncio.to_thread(check_a_client, ["--server", server.url, f"--input={question}", "--output=null"])


def check_a_client(arguments):
    seen, statuses = [], []
    client = EngineClient.start(arguments)
    started, ended = threading.Event(), threading.Event()

    def on_event(_, event):
        seen.append(event.name)
        if event.name == "session_started":
            started.set()

    client.listen(on_event, lambda status: (statuses.append(status), ended.set()))
    assert started.wait(60)
    client.send("instructions", "Two\nlines")
    assert client.close() == 0
    assert ended.wait(60)
    assert seen[0] == "hello"
    assert seen[-1] == "session_ended"
    assert statuses == [0]
    client.send("press")  # to an engine that is gone: no error


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--input", "-"], 2, "standard input"),
        (["--language", "xx"], 2, "--language"),
        (["--server", "nonsense"], 2, "--server"),
        (["--server", "ws://voice.example.org"], 2, "plain text"),
    ],
)
def test_bad_input_is_two_sentences_and_a_status(arguments, status, said):
    ended = run_here("talk", "--json", *arguments, "--output", "null", environment={"SELAM_API_KEY": KEY})
    assert (ended.status, ended.output) == (status, b"")
    check_told(ended.errors.decode(), said)


@pytest.mark.parametrize(
    ("microphone", "status", "said"),
    [("/nowhere/x.wav", 2, "There is no file"), ("no such microphone", 5, "--input FILE")],
)
async def test_so_is_a_microphone_that_only_the_engine_finds_missing(microphone, status, said):
    environment = {"SELAM_API_KEY": KEY, "PULSE_SERVER": "unix:/nowhere"}
    arguments = ("--input", microphone, "--output", "null")
    async with (
        voice_server() as server,
        talk_json("--server", server.url, *arguments, environment=environment) as engine,
    ):
        assert await engine.ended() == status
    check_told(engine.errors.decode(), said)


def check_told(told, said):
    assert said in told
    assert "Traceback" not in told
    assert KEY not in told
    assert told.count(".") >= 2


async def test_a_recording_that_cannot_be_spoken_is_an_error_event(tmp_path):
    """Which cannot be, and why, test_recording.py shows."""
    path = tmp_path / "damaged.wav"
    path.write_bytes(wav(rate_hz=2_000_000_000))
    async with (
        voice_server() as server,
        talk_json("--server", server.url, "--input", str(path), "--output", "null") as engine,
    ):
        error = await engine.until("error")
        assert await engine.ended() == 2
    assert (error["type"], error["fatal"]) == ("usage_error", True)
    assert "damaged.wav" in error["message"]
    assert error["remedy"]
    assert engine.errors.decode().strip() == f"{error['message']} {error['remedy']}"


async def test_a_recording_is_not_written_over_by_what_is_heard(question):
    before = Path(question).read_bytes()
    async with (
        voice_server() as server,
        talk_json("--server", server.url, "--input", question, "--output", question) as engine,
    ):
        error = await engine.until("error")
        assert await engine.ended() == 2
    assert "it is the recording that is spoken" in error["message"]
    assert Path(question).read_bytes() == before


def test_a_closed_standard_output_is_told():
    command = f"{sys.executable} -m selam_cli talk --json --local >&-"
    outcome = subprocess.run(
        ["sh", "-c", command], capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    assert outcome.returncode == 1
    assert b"Standard output is closed" in outcome.stderr
