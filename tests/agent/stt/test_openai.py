"""Hearing through an OpenAI-compatible server: what is sent, what comes back, and what servers refuse."""

from __future__ import annotations

import asyncio
import io
import wave

import pytest

from selam_cli.agent.providers import Heard
from selam_cli.agent.responder import EngineFault, SpokenAudio
from selam_cli.agent.rest.client import RestClient, TimeOuts
from selam_cli.agent.stt.openai import PARTIAL_EVERY_BYTES, TranscriptionHearer
from tests.support.openai_server import drops, hangs, in_turn, refuses, replies, tone

KEY = "sk-selam-test-4711"
TRANSCRIPTIONS = "audio/transcriptions"
SPEECH = SpokenAudio(tone(0.5, 16_000).tobytes())


@pytest.fixture
def hearer(rest, server):
    return TranscriptionHearer(rest, server.endpoint(model=""))


async def heard(hearer: TranscriptionHearer, language: str | None = None) -> Heard:
    return await hearer.begin(language, lambda _: None).heard(SPEECH)


def verbose(text: str, **fields: object) -> dict[str, object]:
    return {"task": "transcribe", "language": "english", "duration": 0.5, "text": text, "segments": [], **fields}


async def test_the_utterance_is_sent_as_a_wav(server, hearer):
    server.answers[TRANSCRIPTIONS] = replies(verbose(" Hello  there.\n"))
    assert await heard(hearer, "en") == Heard("Hello there.", "en")
    request = server.received[0]
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert {name: request.form[name] for name in ("model", "language", "response_format")} == {
        "model": "whisper-1",
        "language": "en",
        "response_format": "verbose_json",
    }
    with wave.open(io.BytesIO(request.form["file"])) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 16_000)
        assert wav.readframes(wav.getnframes()) == SPEECH.audio


async def test_a_language_that_nobody_named_is_not_sent(server, hearer):
    server.answers[TRANSCRIPTIONS] = replies(verbose("Waa maxay?", language="somali"))
    assert await heard(hearer) == Heard("Waa maxay?", "so")
    assert "language" not in server.received[0].form


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (replies(verbose("ሰላም", language="amharic")), Heard("ሰላም", "am")),
        (replies(verbose("Bonjour", language="french")), Heard("Bonjour")),
        (replies({"text": "Hello"}), Heard("Hello")),
        (replies({"text": ""}), Heard("")),
        (replies({"text": "Hello", "language": 5, "segments": "none"}), Heard("Hello")),
        (replies("Hello there.\n"), Heard("Hello there.")),
        (replies("42"), Heard("42")),
        (replies(verbose("[BLANK_AUDIO]")), Heard("", "en")),
        (replies(verbose(" (coughing) ")), Heard("", "en")),
        (replies(verbose("♪ music ♪")), Heard("", "en")),
        (replies(verbose("(Yes.) No.")), Heard("(Yes.) No.", "en")),
    ],
)
async def test_answers_of_several_servers(server, hearer, answer, result):
    server.answers[TRANSCRIPTIONS] = answer
    assert await heard(hearer) == result


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ([{"text": " Thank you.", "no_speech_prob": 0.9, "avg_logprob": -1.5}], ""),
        ([{"text": " Thank you.", "no_speech_prob": 0.9, "avg_logprob": -0.2}], "Thank you."),
        ([{"text": " Thank you.", "no_speech_prob": 0.1, "avg_logprob": -1.5}], "Thank you."),
        (
            [
                {"text": " Thank you.", "no_speech_prob": 0.9, "avg_logprob": -1.5},
                {"text": " Hello.", "no_speech_prob": 0.1, "avg_logprob": -0.2},
            ],
            "Hello.",
        ),
        ([5, {"text": 5}], "Thank you."),
    ],
)
async def test_what_whisper_invents_in_silence_is_left_out(server, hearer, segments, text):
    server.answers[TRANSCRIPTIONS] = replies(verbose("Thank you.", segments=segments))
    assert (await heard(hearer)).text == text


# --- what servers refuse ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        refuses(400, "response_format 'verbose_json' is not compatible with model 'whisper-1'"),
        refuses(400, "Bad request"),
        refuses(422, "x", param="response_format"),
    ],
)
async def test_a_format_that_a_server_lacks_is_asked_for_once(server, hearer, refusal):
    server.answers[TRANSCRIPTIONS] = in_turn(refusal, replies({"text": "One"}), replies({"text": "Two"}))
    assert await heard(hearer) == Heard("One")
    assert await heard(hearer) == Heard("Two")
    assert [request.form["response_format"] for request in server.received] == ["verbose_json", "json", "json"]


async def test_a_server_with_plain_text_alone(server, hearer):
    no = refuses(400, "unknown response_format")
    server.answers[TRANSCRIPTIONS] = in_turn(no, no, replies("Hello."))
    assert await heard(hearer) == Heard("Hello.")


async def test_a_language_that_a_server_lacks_is_left_out_from_then_on(server, hearer):
    server.answers[TRANSCRIPTIONS] = in_turn(refuses(400, "Language 'ti' is not supported"), replies(verbose("ሰላም")))
    await heard(hearer, "ti")
    await heard(hearer, "ti")
    await heard(hearer, "am")
    assert [request.form.get("language") for request in server.received] == ["ti", None, None, "am"]
    assert server.received[3].form["response_format"] == "verbose_json"


async def test_what_no_format_mends_is_told_as_it_was_first(server, hearer):
    server.answers[TRANSCRIPTIONS] = in_turn(refuses(400, "audio too short"), refuses(400, "and now something else"))
    with pytest.raises(EngineFault, match="audio too short"):
        await heard(hearer)
    server.answers[TRANSCRIPTIONS] = replies(verbose("Hello"))
    await heard(hearer)
    assert server.received[-1].form["response_format"] == "verbose_json"


@pytest.mark.parametrize(
    ("answer", "error_type", "words"),
    [
        (refuses(401), "authentication_error", "does not accept the API key"),
        (refuses(403), "authorization_error", "refuses this account"),
        (refuses(404), "validation_error", "/audio/transcriptions"),
        (refuses(404, "model not found"), "validation_error", "no model 'whisper-1'"),
        (refuses(429, "x", {"Retry-After": "9"}), "audio_error", "in 9 s"),
        (refuses(500), "audio_error", "failed"),
        (replies({"error": {"message": "x"}}), "audio_error", "It says: x."),
        (replies({"text": 5}), "audio_error", "none of the OpenAI protocol's"),
        (replies({}), "audio_error", "none of the OpenAI protocol's"),
        (replies([]), "audio_error", "none of the OpenAI protocol's"),
        (replies('{"text": "Hel'), "audio_error", "none of the OpenAI protocol's"),
        (replies("<html></html>"), "audio_error", "none of the OpenAI protocol's"),
        (drops, "audio_error", "closed the connection"),
    ],
)
async def test_a_failure_is_told_as_what_it_means(rest, server, answer, error_type, words):
    server.answers[TRANSCRIPTIONS] = answer
    with pytest.raises(EngineFault) as raised:
        await heard(TranscriptionHearer(rest, server.endpoint(model="whisper-1")))
    assert raised.value.type == error_type
    assert words in raised.value.message
    assert len([request for request in server.received if request.method == "POST"]) == 1


async def test_a_busy_server_is_sent_the_whole_utterance_again(server, hearer):
    server.answers[TRANSCRIPTIONS] = in_turn(refuses(429, "x", {"Retry-After": "0"}), replies(verbose("Hello")))
    assert (await heard(hearer)).text == "Hello"
    assert server.received[1].form["file"] == server.received[0].form["file"]


async def test_a_server_that_hangs_is_left(server):
    rest = RestClient(TimeOuts(first_byte_s=0.3))
    server.answers[TRANSCRIPTIONS] = hangs
    with pytest.raises(EngineFault, match="did not answer in time"):
        await heard(TranscriptionHearer(rest, server.endpoint()))
    request = await server.request()
    await asyncio.wait_for(request.gone.wait(), 60)
    await rest.close()


async def test_cancelling_closes_the_connection(server, hearer):
    server.answers[TRANSCRIPTIONS] = hangs
    hearing = asyncio.create_task(heard(hearer))
    request = await server.request()
    hearing.cancel()
    await asyncio.wait({hearing})
    assert hearing.cancelled()
    await asyncio.wait_for(request.gone.wait(), 60)


# --- partial transcriptions -------------------------------------------------------------------------------------------

HALF = bytes(PARTIAL_EVERY_BYTES // 2)


async def test_nothing_is_sent_while_somebody_speaks(server, hearer):
    server.answers[TRANSCRIPTIONS] = replies(verbose("Hello"))
    listening = hearer.begin(None, lambda _: None)
    for _ in range(10):
        listening.feed(HALF)
    await listening.heard(SPEECH)
    assert len(server.received) == 1


async def test_partials_where_they_are_wanted(rest, server):
    told: asyncio.Queue[str] = asyncio.Queue()
    server.answers[TRANSCRIPTIONS] = in_turn(
        replies(verbose("Hel")), replies(verbose("Hello")), replies(verbose("Hello."))
    )
    listening = TranscriptionHearer(rest, server.endpoint(), partials=True).begin("en", told.put_nowait)
    listening.feed(HALF)
    listening.feed(HALF)
    assert await asyncio.wait_for(told.get(), 60) == "Hel"
    listening.feed(HALF + HALF)
    assert await asyncio.wait_for(told.get(), 60) == "Hello"
    assert (await listening.heard(SPEECH)).text == "Hello."
    sent = [len(request.form["file"]) - 44 for request in server.received]  # without the header
    assert sent == [2 * len(HALF), 4 * len(HALF), len(SPEECH.audio)]


async def test_one_partial_at_a_time_and_none_once_all_is_said(rest, server):
    told: list[str] = []
    server.answers[TRANSCRIPTIONS] = in_turn(hangs, replies(verbose("Hello.")))
    listening = TranscriptionHearer(rest, server.endpoint(), partials=True).begin("en", told.append)
    for _ in range(8):
        listening.feed(HALF)
    partial = await server.request()
    assert (await listening.heard(SPEECH)).text == "Hello."
    await asyncio.wait_for(partial.gone.wait(), 60)
    assert (len(server.received), told) == (2, [])


async def test_dropping_what_is_said_drops_its_partial(rest, server):
    told: list[str] = []
    server.answers[TRANSCRIPTIONS] = hangs
    listening = TranscriptionHearer(rest, server.endpoint(), partials=True).begin("en", told.append)
    listening.feed(HALF + HALF)
    partial = await server.request()
    listening.cancel()
    await asyncio.wait_for(partial.gone.wait(), 60)
    listening.feed(HALF + HALF + HALF)
    assert (len(server.received), told) == (1, [])


async def test_a_partial_that_fails_is_the_utterance_s_last(rest, server):
    server.answers[TRANSCRIPTIONS] = in_turn(refuses(500), replies(verbose("Hello.")))
    listening = TranscriptionHearer(rest, server.endpoint(), partials=True).begin("en", lambda _: None)
    listening.feed(HALF + HALF)
    await server.request()
    while listening._on_partial is not None:
        await asyncio.sleep(0)
    listening.feed(HALF + HALF)
    assert (await listening.heard(SPEECH)).text == "Hello."
    assert len(server.received) == 2
