"""Hear → think → speak: one session's turns through the engines at hand, each part on its way before the last is done.

An agent says what it can't do: in its greeting, in its first reply, or as the reason why a session can't be had. It
never answers in silence, in another language than was asked for, or with words that were not said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from selam_cli.agent.echo_responder import Echo
from selam_cli.agent.parrot import repeated
from selam_cli.agent.providers import Hearer, Message, Prompt, Synthesizer, Thinker
from selam_cli.agent.responder import Answer, ChatHistory, Sentence, Speech, SpokenAudio, Turn, Understood, report
from selam_cli.agent.text.sentences import SentenceSplitter
from selam_cli.agent.text.speakable import speakable
from selam_cli.core.catalog import DEFAULT_VOICE, LANGUAGES, VOICES
from selam_cli.core.endpointing import END_OF_SPEECH_MS
from selam_cli.core.protocol import ErrorReport, Response, StartSession

MAX_MESSAGES: Final = 200
"""Remarks that are remembered; a thinker may take fewer."""

MAX_ANSWER_CHARACTERS: Final = 8_000
"""Ten minutes of speech: an answer that does not end is ended."""

SHOW_EVERY_S: Final = 0.15
"""Seconds between two reports of the text so far, at least: each holds all of it, and a slow link carries each."""

NO_MODEL: Final = "(No language model is set up, so I repeat what I understood.)"


@dataclass(frozen=True, slots=True)
class Engines:
    """What is installed and configured here, the best first; `advice` says per language what would hear it."""

    hearers: tuple[Hearer, ...] = ()
    thinker: Thinker | None = None
    synthesizers: tuple[Synthesizer, ...] = ()
    detect: Callable[[str], str | None] = lambda _text: None
    advice: Callable[[str], str] = lambda _language: ""
    no_model_advice: str = ""
    no_voice_advice: Callable[[str], str] = lambda _language: ""
    missing: tuple[str, ...] = ()
    """Why something that the settings name is not among them."""
    absence: Callable[[str], str] = lambda _language: ""
    """What is to be said, in a language's conversation, of a service that cannot be reached; empty where it can."""
    on_close: Callable[[], Awaitable[None]] | None = None

    def hearer(self, language: str) -> Hearer | None:
        """Return the best that hears a language."""
        return next((hearer for hearer in self.hearers if language in hearer.languages), None)

    def synthesizer(self, language: str) -> Synthesizer | None:
        """Return the best that speaks it."""
        return next((voice for voice in self.synthesizers if language in voice.languages), None)

    async def close(self) -> None:
        """Let go of every engine."""
        thinkers = [] if self.thinker is None else [self.thinker]
        closings = [engine.close() for group in (self.hearers, thinkers, self.synthesizers) for engine in group]
        await asyncio.gather(*closings)
        if self.on_close is not None:
            await self.on_close()


class Pipeline:
    """Answers sessions with the engines at hand."""

    def __init__(self, engines: Engines, *, end_of_speech_ms: int = END_OF_SPEECH_MS) -> None:
        self._engines = engines
        self.end_of_speech_ms = end_of_speech_ms

    def greeting(self, voice: str) -> str:
        """Say what hears, thinks and speaks for this voice, and what is missing."""
        language = _language_of(voice)
        parts = ["This is the embedded agent.", *self._engines.missing]
        hearer = self._engines.hearer(language)
        if hearer is None:
            cannot = f"It cannot hear {_name(language)} yet. {self._engines.advice(language)}".strip()
            return " ".join([*parts, cannot, "Until then it plays back what you said."])
        parts.append(f"It hears {_names(hearer.languages)} ({hearer.name}).")
        thinker = self._engines.thinker
        if thinker is None:
            parts.append(f"It has no language model, so it repeats what it understood. {self._engines.no_model_advice}")
        else:
            parts.append(f"It answers with {thinker.name}.")
        if self._engines.synthesizer(language) is None:
            parts.append(self._no_voice(language))
        parts.append(self._engines.absence(language))
        return " ".join(part.strip() for part in parts if part.strip())

    def refusal(self, session: StartSession) -> ErrorReport | None:
        """Refuse a language that nothing here hears, and a translation that nothing here can make."""
        asked = session.language
        if asked is None:
            return None
        if self._engines.hearer(asked) is None:
            reason = f"Nothing here can hear {_name(asked)}. {self._engines.advice(asked)}"
            return ErrorReport("session_error", reason.strip())
        if self._engines.thinker is None and asked != _language_of(session.voice):
            reason = f"Answering in {_name(asked)} takes a language model. {self._engines.no_model_advice}"
            return ErrorReport("session_error", reason.strip())
        return None

    def open(self, session: StartSession) -> ChatHistory:
        """Return a dialogue; an echo where only the voice implies a language that nothing here hears."""
        hearer = self._engines.hearer(session.language or _language_of(session.voice))
        if hearer is None:
            return Echo().open(session)
        hearer.warm_up()
        return EngineDialogue(self._engines, hearer.for_speaker(), session)

    def _no_voice(self, language: str) -> str:
        advice = self._engines.no_voice_advice(language)
        return f"It has no voice for {_name(language)}, so its answers are text only. {advice}".strip()


class EngineDialogue:
    """One session's remarks, and how they are heard and answered."""

    hears_words = True

    def __init__(self, engines: Engines, hearer: Hearer, session: StartSession) -> None:
        self.engines = engines
        self.hearer = hearer
        self.session = session
        self.messages: list[Message] = []
        self.language = session.language or _language_of(session.voice)
        """The language spoken last; before that, the one that was asked for or that the voice speaks."""
        self.told_of_no_model = self.told_of_no_voice = self.told_of_absence = False
        self._unspoken = ""

    def begin(self, on_partial: Callable[[str], None]) -> Turn:
        """Begin to hear."""
        return EngineTurn(self, on_partial)

    def heard(self, text: str) -> None:
        """Remember what was heard of the answer; of one without a voice, what was read."""
        text, self._unspoken = text or self._unspoken, ""
        if text:
            self.remember(Message("assistant", text))

    def remember(self, message: Message) -> None:
        """Add a remark."""
        self.messages.append(message)
        del self.messages[:-MAX_MESSAGES]

    def read(self, text: str) -> None:
        """Note an answer that no voice speaks, as far as it has been shown."""
        self._unspoken = text

    def to_hear(self) -> str | None:
        """Return the language to hear, None for whichever of the hearer's is spoken."""
        return None if len(self.hearer.languages) > 1 else next(iter(self.hearer.languages))


@dataclass(slots=True)
class _Out:
    """What two tasks have ready for the answer, in the order in which it is to be sent; None at its end."""

    ready: asyncio.Queue[Answer | None] = field(default_factory=asyncio.Queue)

    def put(self, part: Answer | None) -> None:
        self.ready.put_nowait(part)


class EngineTurn:
    """One turn through the engines."""

    def __init__(self, dialogue: EngineDialogue, on_partial: Callable[[str], None]) -> None:
        self._dialogue = dialogue
        self._listening = dialogue.hearer.begin(dialogue.to_hear(), on_partial)
        self._text = ""

    def feed(self, audio: bytes) -> None:
        """Hand it to the hearer."""
        self._listening.feed(audio)

    def cancel(self) -> None:
        """Have it forget."""
        self._listening.cancel()

    async def understood(self, utterance: SpokenAudio) -> Understood:
        """Return the words and learn the language."""
        try:
            heard = await self._listening.heard(utterance)
        except asyncio.CancelledError:
            self._listening.cancel()
            raise
        self._text = heard.text.strip()
        if not self._text:
            return Understood("", has_words=False)
        told = heard.language if heard.language in LANGUAGES else None
        self._dialogue.language = told or self._dialogue.engines.detect(self._text) or self._dialogue.language
        self._dialogue.remember(Message("user", self._text))
        return Understood(self._text)

    async def answer(self) -> AsyncGenerator[Answer, None]:
        """Think and speak at the same time: a sentence is spoken while the next is thought of."""
        out, sentences = _Out(), asyncio.Queue[str | None]()
        language = self._dialogue.session.language or self._dialogue.language
        voice = self._dialogue.engines.synthesizer(language)
        work = [asyncio.create_task(self._think(language, voice, sentences, out))]
        if voice is not None:
            work.append(asyncio.create_task(self._speak(language, voice, sentences, out)))
        try:
            for _ in range(len(work)):
                while (part := await out.ready.get()) is not None:
                    yield part
        finally:
            for task in work:
                task.cancel()
            await asyncio.wait(work)

    async def _think(
        self, language: str, voice: Synthesizer | None, sentences: asyncio.Queue[str | None], out: _Out
    ) -> None:
        notes, answer, shown = self._notes(language, voice), "", ""
        clock = asyncio.get_running_loop().time
        show_at = clock()
        splitter = SentenceSplitter()
        try:
            async for piece in self._thoughts(language):
                answer += piece
                for sentence in splitter.feed(piece):
                    sentences.put_nowait(sentence)
                if clock() >= show_at:
                    shown = answer
                    out.put(Response(shown))
                    show_at = clock() + SHOW_EVERY_S
                if len(answer) > MAX_ANSWER_CHARACTERS:
                    break
        except Exception as failure:  # the engines' boundary; what came before stays, and is spoken
            out.put(report(failure))
        notes += self._absence(language)
        # Behind the answer: a client takes the beginning of the text for what the sound says.
        if answer and answer + notes != shown:
            out.put(Response(answer + notes))
        if voice is None:
            self._dialogue.read(answer)
        for rest in (*splitter.flush(), None):
            sentences.put_nowait(rest)
        out.put(None)

    async def _thoughts(self, language: str) -> AsyncGenerator[str, None]:
        thinker = self._dialogue.engines.thinker
        if thinker is None:
            yield repeated(self._text, language)
            return
        prompt = Prompt(tuple(self._dialogue.messages), language, self._dialogue.session.instructions)
        async with aclosing(thinker.think(prompt)) as thoughts:
            async for piece in thoughts:
                yield piece

    async def _speak(self, language: str, voice: Synthesizer, sentences: asyncio.Queue[str | None], out: _Out) -> None:
        name = self._dialogue.session.voice or DEFAULT_VOICE
        try:
            while (sentence := await sentences.get()) is not None:
                words = speakable(sentence)
                if not any(character.isalnum() for character in words):
                    continue
                out.put(Sentence(sentence))
                async with aclosing(voice.speak(words, language, name)) as sound:
                    async for piece in sound:
                        out.put(Speech(piece))
        except Exception as failure:  # the engines' boundary; the text goes on
            out.put(report(failure))
        out.put(None)

    def _absence(self, language: str) -> str:
        """Return what has to be said, once an outage, of a service that turns out to be away."""
        absence = self._dialogue.engines.absence(language)
        is_told, self._dialogue.told_of_absence = self._dialogue.told_of_absence, bool(absence)
        return f"\n({absence})" if absence and not is_told else ""

    def _notes(self, language: str, voice: Synthesizer | None) -> str:
        """Return what has to be said once of what is missing; it is shown, not spoken."""
        notes = ""
        dialogue = self._dialogue
        if dialogue.engines.thinker is None and not dialogue.told_of_no_model:
            dialogue.told_of_no_model = True
            notes += f"\n{NO_MODEL}"
        if voice is None and not dialogue.told_of_no_voice:
            dialogue.told_of_no_voice = True
            notes += f"\n(There is no voice for {_name(language)} here, so this is text only.)"
        return notes


def _language_of(voice: str) -> str:
    known = VOICES.get(voice)
    return known.language if known is not None else VOICES[DEFAULT_VOICE].language


def _name(language: str) -> str:
    return LANGUAGES[language].name


def _names(languages: frozenset[str]) -> str:
    names = sorted(_name(language) for language in languages)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
