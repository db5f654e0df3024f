"""The connection breaks, the server goes or does not listen: nothing that was said is lost, and the user is told."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager

import numpy as np
import pytest
from socketio.exceptions import ConnectionRefusedError as Refused

from selam_cli.core import events, protocol
from selam_cli.core.conversation import ledger
from selam_cli.core.protocol import AudioChunk, EndSession, StartSession
from selam_cli.engine.link import link, liveness, policy
from tests.engine.test_conversation import answer, speech_of
from tests.support.recording_server import recording_server
from tests.support.talker import talker, tone
from tests.support.voice_server import voice_server


@pytest.fixture
async def server():
    async with voice_server() as started:
        yield started


def codes(user):
    return [notice.code for notice in user.of(events.Notice)]


def heard_in_session(server, number):
    """Return the sound that came after the so manyth session began."""
    begun = [at for at, (_, message) in enumerate(server.received) if isinstance(message, StartSession)]
    return b"".join(m.audio for _, m in server.received[begun[number - 1] :] if isinstance(m, AudioChunk))


def ended_for(user):
    return user.of(events.StateChanged)[-1].connection.ended_for


# --- the server ends the session --------------------------------------------------------------------------------------


async def leave(server, status):
    await server.send(protocol.SessionEnded("session-1", status))
    await server.drop()


@pytest.mark.parametrize("status", ["idle", "time_limit", "too_fast"])
async def test_after_the_server_has_ended_the_session_nothing_is_tried_until_the_next_press(server, status):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        await leave(server, status)
        await user.until(events.StateChanged, lambda state: state.phase == "disconnected")
        assert ended_for(user) == status
        assert user.engine._link_task.done(), "nobody is left who would try"
        assert len(server.sids) == 1
        assert not user.of(events.Reconnecting, events.ErrorRaised)
        user.utter(tone(0.4))
        await user.until(events.SessionStarted, count=2)
        await server.until(lambda: speech_of(server) == tone(0.4).tobytes())
        await answer(server)
        await user.until(events.TurnEnded, lambda turn: turn.outcome == "answered")
        assert ended_for(user) == ""
    assert codes(user) == ["session_over"]
    assert user.status == 0


@pytest.mark.parametrize("line", ["retry", "listen on", "voice ameha"])
async def test_other_deeds_of_the_user_begin_a_session_as_well(server, line):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        await leave(server, "idle")
        await user.until(events.StateChanged, lambda state: state.phase == "disconnected")
        user.do(line)
        await user.until(events.SessionStarted, count=2)


async def test_who_is_talking_when_the_time_is_up_goes_on_in_a_new_session(server):
    said = tone(1.0)
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(said[:8_000])
        await server.until(lambda: server.audio)
        await leave(server, "time_limit")
        await user.until(events.SessionStarted, count=2)
        user.say(said[8_000:])
        user.do("release")
        user.engine.conversation.capture.end_now()
        await user.until(events.UtteranceOutcome)
        await server.until(lambda: not any(server.audio[-32_000:]))
        assert heard_in_session(server, 2)[: len(said) * 2] == said.tobytes()
        await leave(server, "time_limit")
        await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "kept")
        assert user.of(events.StateChanged)[-1].phase == "disconnected", "what was in vain once is not tried for ever"


async def test_a_server_that_leaves_without_such_a_reason_is_connected_to_again(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        await leave(server, "ended")
        await user.until(events.SessionStarted, count=2)


async def test_a_refusal_is_final_until_the_user_asks_again(server):
    def say_no():
        raise Refused("authentication_error", {"type": "authentication_error", "message": "Unknown key."})

    server.refuse = say_no
    async with talker(server.url) as user:
        await user.until(events.StateChanged, lambda state: state.phase == "disconnected")
        assert ended_for(user) == "refused"
        user.utter(tone(0.3))
        kept = await user.until(events.UtteranceOutcome)
        assert kept.outcome == "kept", "it is not lost: the embedded agent may get it"
        assert len(server.queries) == 1, "a press does not ask again"
        server.refuse = lambda: None
        user.do("resend")
        user.do("retry")
        await user.until(events.SessionStarted)
        await server.until(lambda: speech_of(server) == tone(0.3).tobytes())
    assert user.status == 0


async def test_who_leaves_after_a_refusal_has_its_exit_status(server):
    def say_no():
        raise Refused("validation_error", {"type": "validation_error", "message": "No such voice."})

    server.refuse = say_no
    async with talker(server.url) as user:
        await user.until(events.StateChanged, lambda state: state.phase == "disconnected")
    assert user.status == 6


async def test_a_refused_voice_can_be_changed_for_another(server):
    def say_no():
        if server.queries[-1]["voice"] == ["nobody"]:
            raise Refused("validation_error", {"type": "validation_error", "message": "No such voice."})

    server.refuse = say_no
    async with talker(server.url, voice="nobody") as user:
        await user.until(events.StateChanged, lambda state: state.phase == "disconnected")
        user.do("voice ameha")
        await user.until(events.SessionStarted)
    assert user.status == 0


# --- outages ----------------------------------------------------------------------------------------------------------


async def test_an_outage_that_lasts_keeps_what_was_said_and_says_so_while_it_lasts(server):
    port = int(server.url.rpartition(":")[2])
    async with talker(server.url, resend_within_s=1) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(tone(0.3))
        await server.until(lambda: server.audio)
        await server.stop()
        await user.until(events.Notice, lambda notice: notice.code == "recorded")
        user.say(tone(0.3))
        user.do("release")
        user.engine.conversation.capture.end_now()
        kept = await user.until(events.UtteranceOutcome)
        assert (kept.outcome, kept.seconds) == ("kept", 0.6)
        await user.until(events.StateChanged, lambda state: state.kept_seconds == 0.6 and state.queued_seconds == 0.0)
        user.do("resend")
        async with voice_server(port) as later:
            user.do("retry")
            await later.until(lambda: len(speech_of(later)) == 2 * 9_600)
            await answer(later)
            await user.until(events.TurnEnded, lambda turn: turn.outcome == "answered")
    assert [utterance.outcome for utterance in user.of(events.UtteranceOutcome)] == ["kept", "resent"]
    assert codes(user) == ["recorded", "kept", "resend_later"]


async def test_what_was_said_and_sent_before_the_next_press_is_kept_where_the_server_never_had_it(server):
    """The first utterance went out, but the server gave no sign of it before the connection was lost."""
    server.acknowledges = False
    first, second = tone(0.3), tone(0.4)[::-1].copy()
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(first)
        await server.until(lambda: server.audio)
        user.utter(second)
        await server.drop()
        await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "kept")
        await user.until(events.SessionStarted, count=2)
        await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "resent")
        await answer(server)
        await user.until(events.TurnEnded, lambda turn: turn.outcome == "answered")
        heard_before = len(server.audio)
        user.do("resend")
        await server.until(lambda: first.tobytes() in server.audio[heard_before:])


async def test_what_the_server_has_acknowledged_is_not_kept(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.3))
        user.utter(tone(0.4))
        await user.until(events.ControlAck, count=2)
        await server.drop()
        await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "resent")
    assert "kept" not in [utterance.outcome for utterance in user.of(events.UtteranceOutcome)]


async def test_an_answer_that_came_while_one_talked_is_no_sign_that_all_of_it_arrived(server):
    """The server heard an end in a pause: it answers the first part, and the rest may be lost on its way."""
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(tone(0.3))
        await user.until(events.ControlAck)
        await answer(server)
        await user.until(events.AudioEnd)
        user.say(tone(0.3))
        user.do("release")
        user.engine.conversation.capture.end_now()
        await user.until(events.TurnEnded)
        await server.drop()
        kept = await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "kept")
        assert kept.seconds == 0.6


async def test_kept_speech_is_bounded_and_what_has_to_go_is_told(server, monkeypatch):
    monkeypatch.setattr(ledger, "KEPT_AT_MOST_S", 1.0)
    await server.stop()
    async with talker(server.url, resend_within_s=0) as user:
        await user.until(events.Reconnecting)
        for seconds in (0.5, 0.4, 0.3, 2.0):
            user.utter(tone(seconds))
            await user.until(
                events.UtteranceOutcome, lambda told, seconds=seconds: (told.outcome, told.seconds) == ("kept", seconds)
            )
        assert [told.turn for told in user.of(events.UtteranceOutcome) if told.outcome == "discarded"] == [1, 2, 3]
        assert codes(user).count("kept_full") == 2
        assert user.of(events.StateChanged)[-1].kept_seconds == 2.0, "what was said last is always kept"


async def test_an_open_microphone_is_told_that_nobody_hears_it_while_the_connection_is_away(server):
    async with talker(server.url, ptt="open") as user:
        await user.until(events.SessionStarted)
        await server.drop()
        await user.until(events.SessionStarted, count=2)
    assert codes(user).count("unheard") == 1


async def test_what_was_kept_is_answered_although_something_else_was_thrown_away_meanwhile(server):
    async with talker(server.url, resend_within_s=0) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.3))
        await server.until(lambda: server.audio)
        await server.drop()
        await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "kept")
        await user.until(events.SessionStarted, count=2)
        user.do("press")
        user.say(tone(0.2))
        user.do("discard")
        await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "discarded")
        user.do("resend")
        await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "resent")
        await answer(server)
        await user.until(events.TurnEnded, lambda turn: turn.outcome == "answered")


async def test_the_agent_may_speak_first_in_a_session_that_follows_one_in_which_something_was_thrown_away(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(tone(0.2))
        user.do("discard")
        await server.drop()
        await user.until(events.SessionStarted, count=2)
        await server.send(protocol.Response("Welcome back."))
        await user.until(events.Response)


async def test_what_one_session_understood_is_not_added_to_what_the_next_understands_again(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.3))
        await user.until(events.ControlAck)
        await server.send(protocol.Transcription("hello"))
        await user.until(events.Transcription)
        await server.drop()
        await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "resent")
        await answer(server, heard="hello")
        await user.until(events.TurnEnded)
        assert user.engine.conversation.state.user_text == "hello"


async def test_a_long_utterance_is_sent_again_from_its_first_sample(server):
    """Longer than the way out holds: nothing of it may be dropped for that."""
    said = np.concatenate([tone(1.0) // (1 + number % 7) for number in range(50)])
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.do("press")
        user.say(said)
        await server.until(lambda: server.audio)
        await server.drop()
        await user.until(events.SessionStarted, count=2)
        user.do("release")
        user.engine.conversation.capture.end_now()
        await user.until(events.UtteranceOutcome)
        await server.until(lambda: len(server.audio) > 32_000 and not any(server.audio[-32_000:]))
    assert heard_in_session(server, 2)[: len(said) * 2] == said.tobytes()
    assert user.of(events.StateChanged)[-1].dropped_seconds == 0.0


async def test_each_reason_is_told_once_an_outage(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        await server.stop()
        for attempt in range(2, 5):
            await user.until(events.Reconnecting, count=attempt)
            user.do("retry")
    told = [error.message for error in user.of(events.ErrorRaised)]
    assert len(told) == len(set(told)) == 2
    assert told[0] == "The connection was lost."
    assert told[1].startswith("Nothing answers at")


async def test_waits_grow_from_half_a_second_to_eight_also_for_a_server_that_greets_and_drops(server, monkeypatch):
    monkeypatch.setattr(link.random, "random", lambda: 1.0)
    waits = []

    def drop(event, _):
        if event == "start_session":
            return server.drop()
        return None

    server.on_message = drop
    monkeypatch.setattr(policy.RetryPolicy, "hurried", lambda _: None)  # the test's hurry is not to shorten the waits
    async with talker(server.url) as user:
        for attempt in range(1, 8):
            waits.append((await user.until(events.Reconnecting, count=attempt)).in_seconds)
            user.engine._link.hurry()
            await server.until(lambda attempt=attempt: len(server.sids) > attempt)
    assert waits == [0.5, 1, 2, 4, 8, 8, 8]


# --- a peer that stops reading ----------------------------------------------------------------------------------------


@asynccontextmanager
async def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def talking_to_an_agent(**settings):
    """A talker with an embedded agent, which is a process of its own."""
    async with talker("ws://127.0.0.1:1", **settings) as user:
        user.do("switch local")
        await user.until(events.SessionStarted)
        yield user, user.engine._agent.pid


needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no process by a signal")


@needs_signals
async def test_a_server_that_reads_nothing_is_shown_and_goes_on_where_it_was():
    async with talking_to_an_agent() as (user, pid):
        async with stopped(pid):
            user.do("press")
            user.say(tone(0.5))
            notice = await user.until(events.Notice, lambda notice: notice.code == "stalled")
            assert notice.severity == "warning"
            assert user.of(events.StateChanged)[-1].connection.stalled
        user.say(tone(0.5))
        user.do("release")
        user.engine.conversation.capture.end_now()
        await user.until(events.TurnEnded)
        assert not user.engine.conversation.state.connection.stalled
    assert len(user.of(events.SessionStarted)) == 1
    assert user.of(events.TurnEnded)[0].outcome == "answered"


@needs_signals
async def test_a_server_that_reads_nothing_is_told_of_in_the_middle_of_a_long_sentence():
    async with talking_to_an_agent() as (user, pid):
        async with stopped(pid):
            user.do("press")
            said_s = 0.0
            while "stalled" not in codes(user):
                user.say(tone(0.1))
                said_s += 0.1
                await asyncio.sleep(0.1)  # as fast as one speaks
        assert said_s < liveness.IN_FLIGHT_AT_MOST_S, "told before the way out is full"


@needs_signals
async def test_a_server_that_goes_on_reading_nothing_is_lost_and_what_was_said_is_sent_again(monkeypatch):
    async with talking_to_an_agent() as (user, pid):
        async with stopped(pid):
            with monkeypatch.context() as hasty:  # only as long as the agent is stopped
                hasty.setattr(liveness, "LOST_S", 2.5)
                user.utter(tone(1.0))
                await user.until(events.ErrorRaised, lambda error: "stopped reading" in error.message)
            await user.until(events.Reconnecting)
        await user.until(events.UtteranceOutcome, lambda utterance: utterance.outcome == "resent")
        await user.until(events.TurnEnded)
    assert user.of(events.TurnEnded)[0].outcome == "answered"


@needs_signals
async def test_who_leaves_while_nothing_is_read_does_not_wait_for_a_goodbye():
    async with talking_to_an_agent() as (user, pid), stopped(pid):
        user.utter(tone(0.5))
        await user.until(events.Notice, lambda notice: notice.code == "stalled")
        await user.engine._link.leave()
        assert not user.engine._link.up


async def say_more_than_a_stalled_server_takes(user):
    """Speak for nine seconds, of which the end waits, and return the sound."""
    said = np.random.default_rng(1).integers(-8_000, 8_000, 144_000).astype("<i2")
    user.utter(said)
    await user.until(events.Notice, lambda notice: notice.code == "stalled")
    return said


@needs_signals
async def test_escape_takes_nothing_back_of_what_was_said_before(tmp_path):
    async with recording_server(tmp_path) as server, talker(server.url) as user:
        await user.until(events.SessionStarted)
        with server.standing_still():
            first = await say_more_than_a_stalled_server_takes(user)
            user.do("press")
            user.say(tone(0.5))
            user.do("discard")
        await server.until(lambda: any(entry.get("action") == "start_listening" for entry in server.heard))
    assert first.tobytes() in server.sessions[0]
    assert tone(0.2).tobytes() not in server.sessions[0]
    assert [told.outcome for told in user.of(events.UtteranceOutcome)] == ["sent", "discarded"]


@needs_signals
async def test_what_a_session_that_is_ended_for_another_voice_had_yet_to_carry_is_kept(tmp_path):
    async with recording_server(tmp_path) as server, talker(server.url) as user:
        await user.until(events.SessionStarted)
        with server.standing_still():
            first = await say_more_than_a_stalled_server_takes(user)
            user.do("press")
            user.do("discard")
            user.do("voice ameha")
            await user.until(events.Connecting, count=2)
        await user.until(events.SessionStarted, count=2)
        kept = await user.until(events.UtteranceOutcome, lambda told: told.outcome == "kept")
        assert (kept.turn, kept.seconds) == (1, 9.0)
        user.do("resend")
        await user.until(events.TurnEnded, lambda turn: turn.outcome == "answered")
    assert first.tobytes() in server.sessions[-1]


async def test_an_idle_connection_is_tried_and_one_that_is_half_open_is_lost(server, monkeypatch):
    monkeypatch.setattr(liveness, "PROBE_EVERY_S", 0.25)
    monkeypatch.setattr(liveness, "PROBE_LOST_S", 0.75)
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        socket = user.engine._link._connection._client.eio.ws
        socket.on_frame = None  # as if the cable were cut: what comes is not heard
        await user.until(events.SessionStarted, count=2)
    assert "stalled" not in codes(user), "nobody lost a word"


async def test_controls_are_neither_dropped_nor_overtaken_when_sound_is_dropped(server, monkeypatch):
    from selam_cli.engine.link import outbox

    monkeypatch.setattr(outbox, "AUDIO_AT_MOST_S", 1.0)
    async with talker(server.url, ptt="open") as user:
        await user.until(events.SessionStarted)
        user.do("pause")
        user.say(tone(3.0))  # in one go: as if the connection took nothing for three seconds
        user.do("resume")
        await user.until(events.ControlAck, count=2)
        dropped = await user.until(events.Notice, lambda notice: notice.code == "dropped")
        assert dropped.severity == "warning"
        assert user.of(events.StateChanged)[-1].dropped_seconds == pytest.approx(2.0, abs=0.25)
        await server.until(lambda: len(server.audio) >= 31_000)
    kinds = [
        type(message).__name__ for _, message in server.received if not isinstance(message, (StartSession, EndSession))
    ]
    kinds = [kind for kind in kinds if kind in {"Control", "AudioChunk"}]
    assert kinds[0] == kinds[-1] == "Control"
    assert server.actions == ["pause", "resume"]


# --- after an interruption --------------------------------------------------------------------------------------------


async def test_a_silent_utterance_waits_for_no_answer_though_words_of_the_last_turn_arrive_late(server):
    async with talker(server.url) as user:
        await user.until(events.SessionStarted)
        user.utter(tone(0.3))
        await user.until(events.ControlAck)
        server.acknowledges = False
        user.do("press")
        await server.send(protocol.Transcription("the words of the first turn"))
        await user.until(events.Transcription)
        user.say(tone(0.3) // 40)
        user.do("release")
        user.engine.conversation.capture.end_now()
        await user.until(events.Notice, lambda notice: notice.code == "too_quiet")
        await user.until(events.TurnEnded, lambda turn: turn.turn == 2)
        assert user.of(events.StateChanged)[-1].phase == "ready"


async def test_a_silent_utterance_that_was_said_without_a_connection_waits_for_no_answer_either(server):
    server.starts = False
    async with talker(server.url) as user:
        await user.until(events.Connected)
        user.utter(tone(0.3) // 40)
        await server.send(protocol.SessionStarted("late"))
        await user.until(events.Notice, lambda notice: notice.code == "too_quiet")
        await user.until(events.TurnEnded)
