import asyncio
import io
import os
import signal
from contextlib import asynccontextmanager

import numpy as np
import pytest
import soundfile
from socketio.exceptions import ConnectionRefusedError as Refused

from selam_cli.core import events, protocol
from selam_cli.core.conversation import stale_reply
from selam_cli.core.protocol import AudioChunk, AudioEnd, Control, ErrorReport, ReplyChunk, Response, StartSession
from selam_cli.sound.mp3 import frame_header
from tests.support.talker import talker, tone
from tests.support.voice_server import voice_server

ZEROS = bytes(3_200)


@pytest.fixture
async def server():
    async with voice_server() as started:
        yield started


def speech_of(server):
    """What the server was sent, without the closing silence."""
    chunks = [message.audio for message in server.messages(AudioChunk)]
    while chunks and not any(chunks[-1]):
        chunks.pop()
    return b"".join(chunks)


async def answer(server, heard="hello", said="You said hello.", sound=None):
    await server.send(protocol.Transcription(heard))
    await server.send(Response(said))
    sound = tone(0.3).tobytes() if sound is None else sound
    chunks = [sound[start : start + 3_200] for start in range(0, len(sound), 3_200)]
    for chunk in chunks:
        await server.send(ReplyChunk(chunk))
    await server.send(AudioEnd(len(chunks)))


async def test_a_turn_from_press_to_answer(server):
    said = tone(1.0)
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(said)
        await server.until(lambda: len(server.audio) >= len(said) * 2 + 10 * 3_200)
        await answer(server)
        await user.until(events.TurnEnded)
    assert speech_of(server) == said.tobytes()
    assert server.messages(AudioChunk)[-10:] == [AudioChunk(ZEROS)] * 10
    assert user.status == 0
    assert user.phases == ["connecting", "ready", "listening", "thinking", "speaking", "ready", "ended"]
    merged = (events.StateChanged, events.Playout, events.Latency, events.Audio)  # as many as there is time for
    story = [event for event in user.told if not isinstance(event, merged)]
    assert [event.name for event in story] == [
        "hello", "connecting", "connected", "session_started", "talk_started", "talk_ended", "utterance",
        "control_ack", "transcription", "response", "audio_end", "turn_ended", "session_ended",
    ]  # fmt: skip
    assert user.of(events.Audio)[-1] == events.Audio(1, 3)
    assert user.of(events.TalkEnded) == [events.TalkEnded(1, 1.0)]
    assert user.of(events.AudioEnd) == [events.AudioEnd(1, 3, 0.3)]
    assert user.of(events.TurnEnded) == [events.TurnEnded(1, "answered")]


async def test_interrupt_goes_out_before_the_first_chunk_of_every_utterance(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        for number in range(1, 3):
            user.utter(tone(0.2))
            await server.until(lambda number=number: len(server.audio) == number * (6_400 + 32_000))
    sent = server.messages((Control, AudioChunk))
    assert [type(message).__name__ for message in sent[:2]] == ["Control", "AudioChunk"]
    assert server.actions == ["interrupt", "interrupt"]


async def test_a_press_while_the_agent_speaks_silences_it_and_drops_what_is_late(server, monkeypatch):
    monkeypatch.setattr(stale_reply, "GIVE_UP_S", 3_600.0)
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await user.until(events.ControlAck)
        await server.send(Response("A long story"))
        await server.send(ReplyChunk(tone(0.2).tobytes()))
        await user.until(events.Audio)
        server.acknowledges = False
        user.do("press")
        await server.until(lambda: len(server.actions) == 2)
        await server.send(Response("A long story that went on"))
        await server.send(ReplyChunk(tone(0.2).tobytes()))
        await server.send(protocol.ControlAck("interrupt"))
        await user.until(events.ControlAck, count=2)
        await server.send(Response("Yes?"))
        await user.until(events.Response, lambda event: event.text == "Yes?")
    assert [event.text for event in user.of(events.Response)] == ["A long story", "Yes?"]
    assert events.TurnEnded(1, "interrupted") in user.told
    assert user.of(events.Interrupted)[0].turn == 1


@asynccontextmanager
async def listening(server):
    """A talker with a speaker that sounds as far as the test pulls it: `hear` takes seconds."""
    async with talker(server.url) as user:
        pull = user.engine._player.make_pull(16_000)
        user.hear = lambda seconds: [pull(160) for _ in range(round(seconds * 100))]
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await user.until(events.ControlAck)
        yield user


async def test_after_an_interruption_the_words_that_were_heard_are_known(server):
    async with listening(server) as user:
        await answer(server, said="One two three four.", sound=tone(1.0).tobytes())
        await user.until(events.AudioEnd)
        user.hear(0.5)
        user.do("interrupt")
    assert user.of(events.Interrupted) == [events.Interrupted(1, 0.5, "One two")]


async def test_of_a_text_whose_sound_has_not_come_nothing_was_heard(server):
    async with listening(server) as user:
        await answer(server, sound=tone(0.3).tobytes())
        await user.until(events.AudioEnd)
        user.hear(0.5)
        await user.until(events.TurnEnded)
        user.utter(tone(0.2))
        await user.until(events.ControlAck, count=2)
        await server.send(Response("One two three four."))
        await user.until(events.Response, lambda event: event.text.startswith("One"))
        user.do("press")
    assert user.of(events.Interrupted) == [events.Interrupted(2, 0.0, "")]
    assert events.TurnEnded(2, "interrupted") in user.told


async def test_a_replay_that_is_cut_off_says_nothing_of_the_text(server):
    async with listening(server) as user:
        await answer(server, sound=tone(1.0).tobytes())
        await user.until(events.AudioEnd)
        user.hear(1.5)
        await user.until(events.TurnEnded)
        user.do("replay")
        user.hear(0.25)
        user.do("press")
    assert user.of(events.Interrupted) == [events.Interrupted(1, 0.25, None)]


@pytest.mark.parametrize("heard_again_s", [0.1, 1.5], ids=["while it sounds", "after it"])
async def test_an_answer_that_comes_in_a_replay_is_not_over_with_it(server, heard_again_s):
    async with listening(server) as user:
        await answer(server, sound=tone(0.5).tobytes())
        await user.until(events.AudioEnd)
        user.hear(1.0)
        await user.until(events.TurnEnded)
        user.do("replay")
        user.hear(heard_again_s)
        await server.send(Response("And another thing."))
        await user.until(events.Response, lambda event: event.text.endswith("thing."))
        user.hear(1.0)
        await server.send(ReplyChunk(tone(0.3).tobytes()))
        await server.send(AudioEnd(1))
        await user.until(events.AudioEnd, count=2)
        assert len(user.of(events.TurnEnded)) == 1
        user.hear(0.5)
        await user.until(events.TurnEnded, count=2)
    assert [event.seconds for event in user.of(events.AudioEnd)] == [0.5, 0.3]


async def test_escape_while_the_agent_speaks_interrupts_it(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await user.until(events.ControlAck)
        await server.send(ReplyChunk(tone(0.2).tobytes()))
        await user.until(events.Audio)
        user.do("interrupt")
        await user.until(events.TurnEnded)
        await server.until(lambda: server.actions.count("interrupt") == 2)
    assert user.of(events.TurnEnded) == [events.TurnEnded(1, "interrupted")]
    assert user.phases[-2:] == ["ready", "ended"]


async def test_a_discarded_utterance_is_not_finished_and_its_answer_is_not_played(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(tone(0.5))
        user.do("discard")
        await server.until(lambda: server.actions[-2:] == ["stop_listening", "start_listening"])
        sent = len(server.audio)
        await answer(server)
        await user.until(events.ControlAck, lambda event: event.action == "start_listening")
        await server.send(ErrorReport("audio_error", "a marker that the answer has passed"))
        await user.until(events.ErrorRaised)
        assert len(server.audio) == sent
    assert not user.of(events.Transcription, events.Response, events.Audio, events.AudioEnd)
    assert user.of(events.UtteranceOutcome) == [events.UtteranceOutcome(1, "discarded", 0.5)]
    assert user.of(events.TurnEnded) == [events.TurnEnded(1, "discarded")]


async def test_what_was_said_before_the_session_stood_is_sent_when_it_stands(server):
    said = tone(0.7)
    server.starts = False
    async with talker(server.url) as user:
        await user.until(events.Connected)
        user.utter(said)
        assert not server.audio
        await server.send(protocol.SessionStarted("late"))
        await server.until(lambda: len(speech_of(server)) >= len(said) * 2)
    assert speech_of(server) == said.tobytes()
    assert user.of(events.UtteranceOutcome)[0].outcome == "sent"


async def test_an_utterance_cut_by_a_lost_connection_is_sent_again_whole(server):
    said = tone(1.0)
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(said[:8_000])
        await server.until(lambda: len(server.audio) >= 12_800)
        first_session = len(server.received)
        await server.drop()
        await user.until(events.Reconnecting)
        user.say(said[8_000:])
        user.do("release")
        user.engine.conversation.capture.end_now()
        await user.until(events.UtteranceOutcome)
        await server.until(lambda: not any(server.audio[-32_000:]))
    again = [message.audio for _, message in server.received[first_session:] if isinstance(message, AudioChunk)]
    assert b"".join(again)[: len(said) * 2] == said.tobytes()
    assert user.of(events.UtteranceOutcome) == [events.UtteranceOutcome(1, "resent", 1.0)]
    assert events.Connected in [type(event) for event in user.told if getattr(event, "again", False)]


async def test_after_a_long_loss_the_utterance_is_kept_until_resend(server):
    said = tone(0.5)
    server.starts = False
    async with talker(server.url, resend_within_s=0) as user:
        await user.until(events.Connected)
        await server.drop()
        await user.until(events.Reconnecting)
        user.utter(said)
        server.starts = True
        user.do("retry")
        await user.until(events.UtteranceOutcome, lambda event: event.outcome == "kept")
        assert not server.audio
        user.do("resend")
        await server.until(lambda: len(speech_of(server)) >= len(said) * 2)
        await answer(server)
        await user.until(events.TurnEnded, lambda event: event.outcome == "answered")
    assert speech_of(server) == said.tobytes()


async def test_of_two_utterances_spoken_offline_none_is_lost(server):
    first, second = tone(0.5), tone(0.4)[::-1].copy()
    server.starts = False
    async with talker(server.url) as user:
        await user.until(events.Connected)
        user.utter(first)
        user.utter(second)
        assert user.of(events.UtteranceOutcome) == [events.UtteranceOutcome(1, "kept", 0.5)]
        await server.send(protocol.SessionStarted("late"))
        await server.until(lambda: len(speech_of(server)) >= len(second) * 2)
        await answer(server)
        await user.until(events.TurnEnded, lambda event: event.outcome == "answered")
        user.do("resend")
        await server.until(lambda: first.tobytes() in server.audio)
    assert server.audio.startswith(second.tobytes())
    assert [event.outcome for event in user.of(events.UtteranceOutcome)] == ["kept", "sent", "sent"]


async def test_what_was_never_delivered_is_accounted_for_at_the_end(server):
    server.starts = False
    async with talker(server.url) as user:
        await user.until(events.Connected)
        user.utter(tone(0.5))
        user.utter(tone(0.4))
    assert [(event.outcome, event.seconds) for event in user.of(events.UtteranceOutcome)] == [
        ("kept", 0.5), ("discarded", 0.4), ("discarded", 0.5),
    ]  # fmt: skip


async def test_escape_within_the_release_tail_takes_the_utterance_back(server):
    async with talker(server.url, release_tail_ms=2_000) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(tone(0.3))
        user.do("release")
        user.do("interrupt")
        await server.until(lambda: server.actions[-2:] == ["stop_listening", "start_listening"])
    assert user.of(events.TurnEnded) == [events.TurnEnded(1, "discarded")]
    assert user.of(events.UtteranceOutcome) == [events.UtteranceOutcome(1, "discarded", 0.3)]


async def test_a_press_within_the_release_tail_goes_on_with_the_turn(server):
    said = tone(0.6)
    async with talker(server.url, release_tail_ms=2_000) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(said[:4_800])
        user.do("release")
        user.do("press")
        user.say(said[4_800:])
        user.do("release")
        user.engine.conversation.capture.end_now()
        await server.until(lambda: len(speech_of(server)) >= len(said) * 2)
    assert speech_of(server) == said.tobytes()
    assert len(user.of(events.TalkStarted)) == 1
    assert server.actions == ["interrupt"]


async def test_what_is_said_after_a_mute_within_the_release_tail_is_not_sent(server):
    said = tone(0.6)
    async with talker(server.url, release_tail_ms=2_000, closing_silence=False) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(said[:4_800])
        user.do("release")
        user.do("mute on")
        user.say(said[4_800:])
        assert await user.until(events.TalkEnded) == events.TalkEnded(1, 0.3)
        await server.until(lambda: len(server.audio) >= 2 * 4_800)
    assert server.audio == said[:4_800].tobytes()


async def test_a_setting_changed_in_mid_conversation_starts_one_new_session_after_the_turn(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(tone(0.2))
        user.do("voice Ubax")
        user.do("language so_SO.UTF-8")
        user.do("vad-threshold 900")
        user.do("interrupt-threshold 3")
        user.do("instructions Be brief.")
        user.do("release")
        user.engine.conversation.capture.end_now()
        assert len(server.messages(StartSession)) == 1
        await answer(server)
        await user.until(events.SessionStarted, count=2)
    assert server.messages(StartSession)[1:] == [StartSession("ubax", "so", "Be brief.", 900, 3)]
    assert [event.code for event in user.of(events.Notice)] == ["voice_mismatch"] * 0


async def test_a_mismatch_of_voice_and_language_is_told_and_goes_on(server):
    async with talker(server.url, language="so") as user:
        await user.until(events.SessionStarted)
    assert [event.code for event in user.of(events.Notice)] == ["voice_mismatch"]


async def test_pressing_while_paused_resumes_and_talks(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("pause")
        await user.until(events.StateChanged, lambda event: event.phase == "paused")
        user.utter(tone(0.2))
        await user.until(events.ControlAck, lambda event: event.action == "resume")
        await server.until(lambda: server.audio)
    assert server.actions == ["pause", "resume", "interrupt"]


async def test_pausing_and_listening_are_what_the_acknowledgements_say(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("listen off")
        await user.until(events.StateChanged, lambda event: not event.listening)
        user.do("listen on")
        await user.until(events.ControlAck, lambda event: event.action == "start_listening")
        await user.until(events.StateChanged, lambda event: event.connection.rtt_ms is not None)
    assert user.of(events.StateChanged)[-1].listening


async def test_a_reply_that_cannot_be_decoded_is_reported_once_and_its_text_goes_on(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await server.until(lambda: server.audio)
        for _ in range(3):
            await server.emit("audio_chunk", {"audio": "AQA=", "format": "smell"})
        await server.send(Response("Words at least."))
        await server.send(AudioEnd(3))
        await user.until(events.TurnEnded)
    assert [event.type for event in user.of(events.ErrorRaised)] == ["audio_error"]
    assert user.of(events.Response)[-1].text == "Words at least."


async def test_gaps_that_the_server_encodes_are_told_once(server):
    t = np.arange(6_000) / 24_000
    loud = (9_000 * np.sin(2 * np.pi * 220 * t)).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, loud, 24_000, format="MP3")
    chunk = file.getvalue()[frame_header(file.getvalue()).size_bytes :]
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        for number in (1, 2):
            for _ in range(5):
                await server.send(ReplyChunk(chunk))
            await server.send(AudioEnd(5))
            await user.until(events.AudioEnd, count=number)
    [notice] = user.of(events.Notice)
    assert notice.code == "mp3_gaps"
    assert "server" in notice.remedy


async def test_an_answer_of_text_alone_ends_its_turn(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await server.until(lambda: server.audio)
        await answer(server, sound=b"")
        await user.until(events.TurnEnded)
    assert user.of(events.TurnEnded) == [events.TurnEnded(1, "answered")]
    assert user.of(events.AudioEnd) == [events.AudioEnd(1, 0, 0.0)]


async def test_an_error_of_the_service_ends_the_turn_and_not_the_conversation(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await server.until(lambda: server.audio)
        await server.send(ErrorReport("audio_error", "too quiet"))
        await user.until(events.TurnEnded)
        user.utter(tone(0.2))
        await answer(server)
        await user.until(events.TurnEnded, count=2)
    assert [event.outcome for event in user.of(events.TurnEnded)] == ["failed", "answered"]
    error = user.of(events.ErrorRaised)[0]
    assert (error.type, error.fatal) == ("audio_error", False)
    assert error.remedy


async def test_what_was_too_quiet_to_be_heard_is_told_at_once(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.5) // 40)
        await user.until(events.TurnEnded)
        await server.until(lambda: len(server.audio) >= 16_000 + 32_000)
    assert user.of(events.Notice)[0].code == "too_quiet"
    assert user.of(events.TurnEnded) == [events.TurnEnded(1, "failed")]
    assert user.phases[-2:] == ["ready", "ended"]


async def test_a_microphone_that_delivers_nothing_is_told(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(np.zeros(0, np.int16))
        await user.until(events.TurnEnded)
    assert user.of(events.Notice)[0].code == "nothing_heard"
    assert user.phases[-2:] == ["ready", "ended"]


async def test_a_reply_that_comes_while_talking_waits_for_the_release(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(tone(0.3))
        await server.until(lambda: server.audio)
        await user.until(events.ControlAck)
        await answer(server)
        await user.until(events.AudioEnd)
        assert user.of(events.StateChanged)[-1].phase == "listening"
        user.do("release")
        user.engine.conversation.capture.end_now()
        await user.until(events.TurnEnded)
    assert user.of(events.TurnEnded) == [events.TurnEnded(1, "answered")]


async def test_of_a_reply_that_waited_for_the_release_nothing_was_heard_where_the_utterance_is_thrown_away(server):
    async with listening(server) as user:
        await answer(server)
        await user.until(events.AudioEnd)
        user.do("press")
        await user.until(events.ControlAck, count=2)
        await answer(server, said="One two.")
        await user.until(events.Response, lambda event: event.text == "One two.")
        await user.until(events.AudioEnd, count=2)
        user.do("discard")
        user.hear(1.0)
    assert user.of(events.Interrupted)[-1] == events.Interrupted(2, 0.0, "")


async def test_an_open_microphone_needs_no_key(server):
    async with talker(server.url, ptt="open") as user:
        await user.until(events.SessionStarted)
        user.say(tone(0.5))
        await server.until(lambda: len(server.audio) == 16_000)
        await answer(server)
        await user.until(events.TurnEnded)
        user.do("mute on")
        user.say(tone(0.5))
        user.do("mute off")
        await answer(server, heard="again")
        await user.until(events.TurnEnded, count=2)
    assert len(server.audio) == 16_000
    assert [event.turn for event in user.of(events.TurnEnded)] == [1, 2]


async def test_commands_with_an_id_are_acknowledged(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do('{"id": 1, "command": "volume", "argument": 40}')
        user.do('{"id": 2, "command": "language", "argument": "klingon"}')
        user.do('{"id": 3, "command": "replay"}')
    assert [(event.id, event.ok) for event in user.of(events.Ack)] == [(1, True), (2, False), (3, False)]
    assert [event.type for event in user.of(events.ErrorRaised)] == ["usage_error", "usage_error"]


async def test_leaving_in_mid_utterance_accounts_for_it_and_ends_the_session(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(tone(0.4))
    assert user.of(events.UtteranceOutcome) == [events.UtteranceOutcome(1, "discarded", 0.4)]
    assert server.received[-2][0] == "end_session" or ("end_session", protocol.EndSession()) in server.received
    assert isinstance(user.told[-1], events.SessionEnded)
    assert user.told[-1].status == "ended"


async def test_a_server_that_never_answers_gives_a_connection_error_and_status_4():
    async with talker("ws://127.0.0.1:1") as user:
        await user.until(events.Reconnecting)
    assert user.status == 4
    assert [event.type for event in user.of(events.ErrorRaised)] == ["connection_error"]


async def test_latency_tells_of_each_part_once(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.2))
        await server.until(lambda: server.audio)
        await answer(server)
        await user.until(events.TurnEnded)
    last = user.of(events.Latency)[-1]
    assert None not in {last.press_to_wire_ms, last.transcription_ms, last.response_ms, last.audio_ms, last.rtt_ms}


async def test_a_known_event_with_nonsense_is_reported_once(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        for _ in range(5):
            await server.emit("response", {"text": 7})
        await server.send(Response("fine"))
        await user.until(events.Response)
    assert [event.code for event in user.of(events.Notice)] == ["malformed_payload"]


async def test_a_key_that_is_never_let_go_is_let_go_for_the_user(server):
    async with talker(server.url, max_talk_s=5) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(tone(6.0))
        await user.until(events.UtteranceOutcome)
        await answer(server)
        await user.until(events.TurnEnded)
    assert user.of(events.Notice)[0].code == "too_long"
    assert user.of(events.TalkEnded)[0].seconds == pytest.approx(5.0, abs=0.03)


async def test_a_refused_key_is_told_and_the_embedded_agent_is_one_command_away(server):
    def refuse():
        raise Refused("authorization_error", {"type": "authorization_error", "message": "OWNER only."})

    server.refuse = refuse
    async with talker(server.url) as user:
        error = await user.until(events.ErrorRaised)
        assert (error.type, error.message, error.fatal) == ("authorization_error", "OWNER only.", False)
        user.do("switch local")
        await user.until(events.SessionStarted)
        assert user.of(events.StateChanged)[-1].connection.kind == "embedded"
    assert user.status == 0
    assert len(server.queries) == 1


async def test_who_asks_twice_for_the_embedded_agent_gets_one_session_with_it(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        server.on_message = lambda event, _: asyncio.sleep(0.5) if event == "end_session" else None
        for line in ("switch local", "switch local", "retry"):
            user.do(line)
        await user.until(events.SessionStarted, count=2)
        user.do("retry")
        user.utter(tone(0.2))
        await user.until(events.UtteranceOutcome)
    assert len(user.of(events.SessionStarted)) == 2
    assert [event.server for event in user.of(events.Connecting)][1:] == ["embedded agent"]


async def test_what_is_asked_for_after_the_end_begins_nothing(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("quit")
        for number, line in enumerate(("retry", "switch", "press", "quit")):
            user.do(f'{{"id": {number}, "command": "{line}", "argument": "{"local" if line == "switch" else ""}"}}')
    assert [(event.id, event.ok) for event in user.of(events.Ack)] == [(0, False), (1, False), (2, False), (3, True)]
    assert len(user.of(events.Connecting)) == 1
    assert not user.of(events.TalkStarted)


async def test_an_embedded_agent_that_dies_is_started_again():
    async with talker("ws://127.0.0.1:1") as user:
        await user.until(events.Reconnecting)
        user.do("switch local")
        await user.until(events.SessionStarted)
        os.kill(user.engine._agent.pid, signal.SIGKILL)
        await user.until(events.SessionStarted, count=2)
        user.utter(tone(0.2))
        await user.until(events.UtteranceOutcome)


async def test_many_turns_leave_no_task_behind(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        before = len(asyncio.all_tasks())
        for number in range(1, 21):
            user.utter(tone(0.1))
            await answer(server)
            await user.until(events.TurnEnded, count=number)
        async with asyncio.timeout(20):
            while len(asyncio.all_tasks()) > before + 1:
                await asyncio.sleep(0)  # what the last turn has begun comes to its end
    assert [event.turn for event in user.of(events.TurnEnded)] == list(range(1, 21))
