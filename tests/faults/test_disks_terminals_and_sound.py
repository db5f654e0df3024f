"""What breaks on the user's own machine: a full disk, a terminal that goes away, the sound server, the engine."""

import asyncio
import io
import itertools
import json
import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
import soundfile

from selam_cli.core.protocol import AudioEnd, EndSession, ReplyChunk, Response
from selam_cli.sound.files import write_wav
from tests.faults.person import person, unaccounted
from tests.support.lines import talk_json
from tests.support.needs import need_programs, need_right
from tests.support.recording_server import recording_server
from tests.support.silent_sound_server import silent_sound_server
from tests.support.sound_libraries import library_environment
from tests.support.speech import correlation, spoken, trimmed
from tests.support.voice_server import voice_server
from tests.support.vsound import PROGRAMS, VirtualSoundCard

IS_SOAK = os.environ.get("SELAM_SOAK") == "1"


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "said.wav"
    write_wav(str(path), np.ones(16_000, np.int16) * 4_000, 16_000)
    return str(path)


# --- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def on_a_full_disk(tmp_path):
    """What is put before a program so that it sees a disk of 64 KB, a few of them free, at `full`."""
    need_programs("unshare", "mount")
    folder = tmp_path / "full"
    folder.mkdir()
    work = 'mount -t tmpfs -o size=64k none "$0" && head -c 56k /dev/zero > "$0/filler" && exec "$@"'
    own_rights = ["--map-root-user"] if os.geteuid() else []
    before = ["unshare", "--mount", *own_rights, "sh", "-c", work, str(folder)]
    ended = subprocess.run([*before, "true"], capture_output=True, check=False)
    need_right("to mount a small disk", ended.returncode == 0)
    return folder, before


async def test_a_full_disk_under_the_log_costs_the_log_alone(server, tmp_path, on_a_full_disk):
    folder, before = on_a_full_disk
    environment = {"XDG_STATE_HOME": str(folder), "SELAM_DEBUG": "1"}
    async with person(tmp_path, server.url, environment=environment, before=before) as someone:
        await someone.engine.until("session_started")
        for number in (1, 2):
            await someone.press()
            await server.until(lambda number=number: len(server.sessions) == number and server.sessions[-1])
            await someone.release()
            await someone.engine.until("turn_ended", lambda line: line["outcome"] == "answered", count=number)
            if number == 1:
                server.kill()  # there is something to log
                await server.start()
                await someone.do("retry")
                await someone.engine.until("session_started", count=2)
        await someone.leave()
    assert someone.engine.errors == b""
    assert unaccounted(someone, server) == []


async def lines_on_a_full_disk(before, path, *arguments, said=b""):
    """Return what `selam-voice ARGUMENTS > path` says on standard error and ends with."""
    command = [*before, "sh", "-c", 'exec "$@" > "$0"', str(path), sys.executable, "-m", "selam_cli", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(said)
    errors = await asyncio.wait_for(process.stderr.read(), 60)
    return errors, await process.wait()


async def test_a_full_disk_under_the_lines_ends_the_session_properly_and_says_why(tmp_path, on_a_full_disk, question):
    """`talk --json > conversation.jsonl`: who can no longer be told anything is not left with an open microphone."""
    folder, before = on_a_full_disk
    async with voice_server() as server:
        arguments = ("talk", "--json", "--server", server.url, "--input", question, "--output", "null")
        errors, status = await lines_on_a_full_disk(
            before, folder / "lines.jsonl", *arguments, said=b"levels on\npress\n"
        )
        assert status == 1
        await server.until(lambda: any(event == "end_session" for event, _ in server.received))
    assert errors.startswith(b"The event lines cannot be written: No space left on device. Make room there")


async def test_a_full_disk_under_the_lines_of_one_question_is_told_at_once(question):
    """Not as an answer that did not come in time."""
    async with voice_server() as server:
        errors, status = await lines_on_a_full_disk([], "/dev/full", "ask", question, "--json", "--server", server.url)
    assert status == 1
    assert errors.startswith(b"The event lines cannot be written: No space left on device. Make room there")


async def test_a_full_disk_under_a_replys_sound_is_told(tmp_path, on_a_full_disk, question):
    folder, before = on_a_full_disk
    process = await asyncio.create_subprocess_exec(
        *before, sys.executable, "-m", "selam_cli", "ask", question, "--local",
        "--out", str(folder / "reply.wav"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode != 0
    assert b"Agent: You spoke" in output, "the answer itself is not lost"
    assert b"cannot be written" in errors
    assert b"Traceback" not in errors


async def test_a_full_disk_under_a_file_in_the_speakers_place_is_told_and_costs_no_turn(on_a_full_disk, question):
    folder, before = on_a_full_disk
    kept = folder / "heard.wav"
    # The disk is the program's own: whoever looks at it afterwards has to be its child.
    reading, writing = os.pipe()
    look = f'status=0; "$@" || status=$?; cat "$0" > /dev/fd/{writing}; exit $status'
    async with talk_json(
        "--local",
        "--input",
        question,
        "--output",
        str(kept),
        before=[*before, "sh", "-c", look, str(kept)],
        pass_fds=(writing,),
    ) as engine:
        os.close(writing)
        await engine.until("session_started")
        engine.send("press")
        await engine.until_spoken(1.0)
        engine.send("release")
        told = await engine.until("notice", lambda line: line["code"] == "output_unwritten")
        ended = await engine.until("turn_ended")
        engine.send("quit")
        assert await engine.ended() == 1
    with os.fdopen(reading, "rb") as pipe:
        heard, rate_hz = soundfile.read(io.BytesIO(pipe.read()), dtype="int16")
    assert ended["outcome"] == "answered"
    assert "heard.wav cannot be written: No space left on device." in told["message"]
    assert engine.errors.decode().strip() == f"{told['message']} {told['remedy']}"
    assert rate_hz == 24_000
    assert 0 < len(heard) < 8_192 // 2


# --- the terminal, and the engine -------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a POSIX thing")
async def test_a_terminal_that_goes_away_while_one_talks_leaves_nothing_behind(tmp_path, question):
    from tests.support.terminal import Terminal

    program = [sys.executable, "-m", "selam_cli", "talk", "--local", "--input", question, "--output", "null"]
    with Terminal(program, kitty=True) as terminal:
        await asyncio.to_thread(terminal.wait_for_text, "READY")
        terminal.press(" ")
        await asyncio.to_thread(terminal.wait_for_text, "LISTENING")
        family = psutil.Process(terminal.process.pid).children(recursive=True)
        assert len(family) >= 2, "the engine, and its agent"
        terminal.hang_up()
        assert await asyncio.to_thread(terminal.process.wait, 60) == 129
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, 60)
        assert not alive


async def test_an_engine_that_is_killed_while_one_talks_leaves_no_agent_and_no_open_microphone(sound_card):
    need_programs(*PROGRAMS)
    async with talk_json("--local") as engine:
        await engine.until("session_started")
        await engine.until("state", lambda line: line["microphone"]["open"])
        engine.send("press")
        await engine.until("talk_started")
        pid, family = engine.process.pid, psutil.Process(engine.process.pid).children(recursive=True)
        assert any(stream.startswith("recording") for stream in sound_card.streams(pid))
        engine.process.kill()
        await engine.process.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, 60)
        assert not alive
        async with asyncio.timeout(60):
            while sound_card.streams(pid):
                await asyncio.sleep(0.05)  # the sound server tells nobody


# --- the sound server, and the connection with it ---------------------------------------------------------------------


STANDS_STILL = "The sound system does not answer"
REMEDY = "Restart"


async def started(*arguments, environment):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "selam_cli", *arguments, env={**os.environ, **environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


async def test_a_sound_server_that_says_nothing_is_told_within_seconds(question):
    async def said(*arguments):
        process = await started(*arguments, environment=silent.environment)
        _, errors = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, errors.decode()

    async def talked(server):
        async with talk_json("--server", server.url, environment=silent.environment) as engine:
            await engine.until("session_started")
            engine.send("devices")
            for command in ("microphone", "speaker"):
                engine.send(json.dumps({"id": command, "command": command, "argument": "Headset"}))
            assert STANDS_STILL in (await engine.until("error"))["message"]
            for command in ("microphone", "speaker"):
                ack = await engine.until("ack", lambda line, command=command: line["id"] == command)
                assert (ack["ok"], STANDS_STILL in ack["message"]) == (False, True), ack
            notice = await engine.until("notice", lambda line: line["code"] == "sound_stalled")
            engine.send("quit")
            return await engine.ended(), f"{notice['message']} {notice['remedy']}"

    async with silent_sound_server() as silent, voice_server() as one, voice_server() as another:
        ended = await asyncio.gather(
            said("devices", "--json"),
            said("ask", question, "--server", one.url, "--output", "default"),
            talked(another),
        )
    assert [status for status, _ in ended] == [5, 5, 0]
    for _, told in ended:
        assert told.startswith(STANDS_STILL), told
        assert REMEDY in told


COMMANDS = [
    "devices", "ask {question} --server {server} --output default", "talk --json --server {server}", "doctor --json",
]  # fmt: skip
LIBRARIES, SIGNALS = ("portaudio", "miniaudio"), (signal.SIGINT, signal.SIGTERM)
EACH_ONCE = [(command, LIBRARIES[n % 2], SIGNALS[n // 2]) for n, command in enumerate(COMMANDS)]
"""Each command, and each library with each signal."""


@pytest.mark.parametrize(
    ("command", "library", "number"),
    itertools.product(COMMANDS, LIBRARIES, SIGNALS) if IS_SOAK else EACH_ONCE,
)
async def test_every_command_ends_at_once_while_the_sound_server_says_nothing(question, command, library, number):
    async with silent_sound_server() as silent, voice_server() as server:
        arguments = command.format(question=question, server=server.url).split()
        process = await started(*arguments, environment={**silent.environment, **library_environment(library)})
        await silent.until_asked(1)
        process.send_signal(number)
        await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode in {128 + number, -number}


async def test_a_speaker_that_is_lost_in_an_answer_costs_its_sound_and_no_word(tmp_path, question):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    reply = spoken("Where were you while we were away?").tobytes()
    try:
        async with voice_server() as server:
            process = await started(
                "ask", question, "--json", "--server", server.url, "--output", "default", environment=card.environment
            )
            await server.until(lambda: len(server.audio) > 32_000)
            await server.send(Response("At home."))
            for start in range(0, len(reply), 6_400):
                await server.send(ReplyChunk(reply[start : start + 6_400]))
            while b'"playout"' not in (line := await asyncio.wait_for(process.stdout.readline(), 60)):
                assert line
            card.stop()
            await server.send(AudioEnd(-(-len(reply) // 6_400)))
            output, errors = await asyncio.wait_for(process.communicate(), 60)
    finally:
        card.stop()
    assert process.returncode == 5
    assert errors.decode().startswith("The speaker is gone")
    assert json.loads(output.splitlines()[-1])["event"] == "session_ended"
    assert '"outcome": "answered"' in output.decode()


async def test_who_starts_with_a_sound_server_that_stands_still_can_leave_and_leaves_nothing_behind(tmp_path):
    """It answers neither who opens a device nor who asks for a list of them."""
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    try:
        with card.standing_still():
            async with (
                voice_server() as server,
                talk_json("--server", server.url, environment=card.environment) as engine,
            ):
                await engine.until("session_started")
                engine.send("devices")
                engine.send('{"id": 1, "command": "volume", "argument": 50}')
                await engine.until("ack")
                async with asyncio.timeout(60):
                    while not (family := psutil.Process(engine.process.pid).children(recursive=True)):
                        await asyncio.sleep(0.01)  # a process that starts tells nobody
                engine.send("quit")
                assert await engine.ended() == 0
                assert server.messages(EndSession)
            _, alive = await asyncio.to_thread(psutil.wait_procs, family, 60)
            assert not alive
    finally:
        card.stop()
    assert engine.written[-1]["event"] == "session_ended"


async def test_the_sound_server_and_the_voice_server_die_in_one_utterance_and_what_was_heard_of_it_arrives(tmp_path):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    first, second = trimmed(spoken("Where were you while we were away?")), trimmed(spoken("Stop at once."))
    try:
        async with (
            recording_server(tmp_path) as server,
            talk_json("--server", server.url, environment=card.environment) as engine,
        ):
            await engine.until("session_started")
            await engine.until("state", lambda line: line["microphone"]["open"] and line["speaker"])
            engine.send("press")
            await engine.until("talk_started")
            await asyncio.to_thread(card.speak, first)
            card.stop()
            server.kill()
            await engine.until("notice", lambda line: line["code"] == "microphone_lost")
            await engine.until("notice", lambda line: line["code"] == "recorded")
            card.start()
            await server.start()
            await engine.until("notice", lambda line: line["code"] == "microphone_back")
            engine.send("retry")
            await engine.until("session_started", count=2)
            await asyncio.to_thread(card.speak, second)
            engine.send("release")
            await engine.until("turn_ended", lambda line: line["outcome"] == "answered")
            engine.send("quit")
            assert await engine.ended() == 0
            heard = np.frombuffer(server.sessions[-1], "<i2")
    finally:
        card.stop()
    assert correlation(first, heard)[0] >= 0.99
    assert correlation(second, heard)[0] >= 0.99
