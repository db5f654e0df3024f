import asyncio
import contextlib
import json
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core import events
from selam_cli.core.events import from_line, to_line
from selam_cli.core.session import ConnectionInfo, SessionState
from selam_cli.engine.lines.commands import Command, UnknownCommand, Verb, parse_command
from selam_cli.engine.lines.jsonl import LineWriter, read_lines

SAMPLES = [
    events.Hello(1, "0.1.0"),
    events.Transcription(1, "ሰላም", is_final=True),
    events.StateChanged.of(SessionState(turn=3, voice="mekdes")),
    events.StateChanged.of(
        SessionState(connection=ConnectionInfo(stalled=True, ended_for="idle"), dropped_seconds=1.5)
    ),
    events.Latency(2, press_to_wire_ms=4.2),
    events.Devices([{"name": "mic"}], []),
    events.ErrorRaised("usage_error", "There is no command.", "Try another.", fatal=False),
    events.SessionEnded(None, "ended"),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.name)
def test_an_event_survives_its_line(event):
    assert from_line(to_line(event, 1.25)) == (1.25, event)


def test_every_event_of_the_contract_can_be_written():
    assert set(events._KINDS) == {
        "hello", "connecting", "connected", "session_started", "talk_started", "talk_ended", "transcription",
        "response", "audio", "audio_end", "interrupted", "turn_ended", "control_ack", "utterance", "reconnecting",
        "error", "notice", "state", "level", "playout", "latency", "devices", "ack", "session_ended",
    }  # fmt: skip


def test_a_state_line_has_the_promised_fields():
    fields = json.loads(to_line(events.StateChanged.of(SessionState()), 0.0))
    assert set(fields) >= {
        "event", "t", "phase", "turn", "connection", "voice", "language", "vad_threshold", "interrupt_threshold",
        "listening", "paused", "muted", "volume", "microphone", "speaker", "user_text", "reply_text",
        "queued_seconds", "kept_seconds",
    }  # fmt: skip
    assert set(fields["connection"]) == {"server", "kind", "sid", "rtt_ms"}
    assert set(fields["microphone"]) == {"name", "rate_hz", "open"}


def test_a_line_of_a_later_version_is_passed_over_and_its_new_fields_ignored():
    assert from_line('{"event": "mood", "t": 1}') is None
    assert from_line('{"event": "talk_started", "t": 1, "turn": 2, "extra": 3}') == (1.0, events.TalkStarted(2))


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"event": "hello"}', '{"event": "hello", "t": 1}', "{"])
def test_what_is_no_line_is_a_value_error(line):
    with pytest.raises(ValueError):  # noqa: PT011  # json's own error is one
        from_line(line)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("press", Command(Verb.PRESS)),
        ("press 12.5", Command(Verb.PRESS, "12.5")),
        ("press resume", Command(Verb.PRESS, "resume")),
        ("voice ameha", Command(Verb.VOICE, "ameha")),
        ("  listen off ", Command(Verb.LISTEN, "off")),
        ("instructions Be brief. Be kind.", Command(Verb.INSTRUCTIONS, "Be brief. Be kind.")),
        ("instructions", Command(Verb.INSTRUCTIONS)),
        ('{"id": 7, "command": "voice", "argument": "ameha"}', Command(Verb.VOICE, "ameha", 7)),
        ('{"id": "a", "command": "mute", "argument": true}', Command(Verb.MUTE, "on", "a")),
        ('{"command": "volume", "argument": 30}', Command(Verb.VOLUME, "30")),
        ("switch local", Command(Verb.SWITCH, "local")),
    ],
)
def test_a_command_is_read_as_words_or_as_an_object(line, command):
    assert parse_command(line) == command


@pytest.mark.parametrize(
    "line",
    [
        "dance", "listen", "listen maybe", "voice", "volume 101", "volume loud", "vad-threshold -1",
        "interrupt-threshold 0", "switch cloud", "press soon", "release resume", "press nan", "{", '{"id": 3}',
        '{"command": 3}', '{"command": "voice", "argument": []}', "volume ٣",
    ],
)  # fmt: skip
def test_what_is_no_command_is_refused_with_a_remedy(line):
    with pytest.raises(UnknownCommand) as caught:
        parse_command(line)
    assert caught.value.remedy


def test_a_refused_object_keeps_its_id_for_the_answer():
    with pytest.raises(UnknownCommand) as caught:
        parse_command('{"id": 9, "command": "dance"}')
    assert caught.value.command_id == 9


@given(st.text(max_size=200))
def test_no_line_breaks_the_reader(line):
    with contextlib.suppress(UnknownCommand):
        parse_command(line)


def test_a_slow_reader_gets_the_newest_state_and_every_other_line():
    """Nobody reads the pipe until everything was written: the engine must not wait, and nothing but states may go."""
    reading, writing = os.pipe()
    writer = LineWriter(writing, on_closed=lambda: None)
    for turn in range(5_000):
        writer.write(events.StateChanged.of(SessionState(turn=turn)), turn)
        writer.write(events.TalkStarted(turn), turn)
    collected = []

    def read():
        with os.fdopen(reading, "r", encoding="utf-8") as lines:
            collected.extend(json.loads(line) for line in lines)

    reader = threading.Thread(target=read)
    reader.start()
    writer.close(10.0)
    os.close(writing)
    reader.join()
    assert [line["turn"] for line in collected if line["event"] == "talk_started"] == list(range(5_000))
    states = [line["turn"] for line in collected if line["event"] == "state"]
    assert states[-1] == 4_999
    assert len(states) < 5_000
    times = [line["t"] for line in collected]
    assert times == sorted(times)


def test_a_pipe_that_does_not_wait_is_waited_for():
    """Whoever shares a pipe or a terminal may have made it so: full is no fault, and empty no end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    closed = threading.Event()
    writer = LineWriter(writing, on_closed=closed.set)
    texts = [f"{number} {'x' * 10_000}" for number in range(50)]
    for text in texts:
        writer.write(events.Transcription(1, text, is_final=True), 0.0)
    with os.fdopen(reading, "r", encoding="utf-8") as lines:
        taken = [json.loads(lines.readline())["text"] for _ in texts]
    writer.close(10.0)
    os.close(writing)
    assert (taken, closed.is_set()) == (texts, False)


async def test_commands_on_a_pipe_that_does_not_wait_come_when_they_are_written():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    said: asyncio.Queue[str] = asyncio.Queue()
    read_lines(reading, asyncio.get_running_loop(), said.put_nowait)
    for line in ("press", "release"):
        await asyncio.sleep(0.01)
        os.write(writing, f"{line}\n".encode())
        assert await said.get() == line
    os.close(writing)
    assert await said.get() == ""
    os.close(reading)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"", "utf-16-le")],
)
async def test_commands_come_as_any_program_writes_them(mark, encoding):
    reading, writing = os.pipe()
    said: asyncio.Queue[str] = asyncio.Queue()
    read_lines(reading, asyncio.get_running_loop(), said.put_nowait)
    os.write(writing, mark + 'press\r\ninstructions ሰላም\r\n\r\n\ufeff{"command": "quit"}'.encode(encoding))
    os.close(writing)
    assert [await said.get() for _ in range(4)] == ["press", "instructions ሰላም", '{"command": "quit"}', ""]
    os.close(reading)


def test_a_reader_that_is_gone_is_told_once():
    reading, writing = os.pipe()
    os.close(reading)
    gone = threading.Event()
    writer = LineWriter(writing, on_closed=gone.set)
    writer.write(events.TalkStarted(1), 0.0)
    assert gone.wait(10.0)
    os.close(writing)
