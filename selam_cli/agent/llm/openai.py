"""Thinks with any server that has an OpenAI-compatible `/chat/completions`.

The Selam service, Ollama, llama.cpp, vLLM and many others speak it. The answer streams, and closing its generator
closes the connection, at which these servers stop generating.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Final

from selam_cli.agent.llm.prompting import HistoryBounds, chat_messages
from selam_cli.agent.providers import Prompt
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest import faults
from selam_cli.agent.rest.call import Call
from selam_cli.agent.rest.client import Body, RestClient
from selam_cli.agent.rest.endpoint import Endpoint
from selam_cli.agent.rest.listing import chat_models, parsed
from selam_cli.agent.rest.sse import EventReader, EventTooLong
from selam_cli.agent.text.thoughts import ThoughtFilter

MAX_ANSWER_CHARACTERS: Final = 20_000
"""Twenty minutes of speech: a model that goes on for longer is taken not to stop by itself."""

_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")


class ChatThinker:
    """A model behind an endpoint. `extra` goes into every request: max_tokens, temperature, reasoning_effort."""

    def __init__(
        self,
        rest: RestClient,
        endpoint: Endpoint,
        bounds: HistoryBounds | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        self.name = f"{endpoint.model or 'a model'} at {endpoint.shown}"
        self._rest = rest
        self._endpoint = endpoint
        self._bounds = bounds or HistoryBounds()
        self._extra = dict(extra or {})

    async def think(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        """Yield the answer in pieces, without thoughts. Raises EngineFault; what was yielded before stands."""
        call = await self._call(prompt)
        async with self._rest.open(call) as body:
            answer = _Answer(call)
            if "text/html" in body.content_type:
                raise faults.not_understood(call)
            if "application/json" in body.content_type:  # a server that does not stream
                pieces = [answer.take(parsed(call, await body.whole()))]
                answer.is_complete |= bool(pieces[0])
            else:
                pieces = []
                events = _Events(body, call)
                while not answer.is_complete and (event := await events.next()) is not None:
                    if piece := answer.take(event):
                        yield piece
                answer.is_complete |= events.said_done
            for piece in (*pieces, answer.finish()):
                if piece:
                    yield piece
            await body.finish()

    async def close(self) -> None:
        """The connections are the client's, and closed with it."""

    async def _call(self, prompt: Prompt) -> Call:
        if not self._endpoint.model:
            await self._choose_model()
        request = {
            "model": self._endpoint.model,
            "messages": chat_messages(prompt, self._bounds),
            "stream": True,
            **self._extra,
        }
        return Call(self._endpoint, "chat/completions", "session_error", json=request)

    async def _choose_model(self) -> None:
        models = await chat_models(self._rest, self._endpoint)
        if not models:
            raise EngineFault("validation_error", f"{self._endpoint.shown} has no model to chat with. Give it one.")
        self._endpoint = replace(self._endpoint, model=models[0])
        self.name = f"{models[0]} at {self._endpoint.shown}"


class _Events:
    """The events of an answer, one after another."""

    DONE: Final = "[DONE]"

    def __init__(self, body: Body, call: Call) -> None:
        self._body = body
        self._call = call
        self._reader = EventReader()
        self._waiting: list[str] = []
        self._ended = False
        self.said_done = False

    async def next(self) -> object | None:
        """Return the next event, parsed; None when the stream is over. Raises EngineFault."""
        while not self._waiting:
            if self._ended:
                return None
            try:
                piece = await self._body.read()
                self._ended = not piece
                self._waiting += self._reader.feed(piece) if piece else self._reader.finish()
            except EventTooLong:
                raise faults.too_much(self._call) from None
        event = self._waiting.pop(0)
        self.said_done = event.strip() == self.DONE
        return None if self.said_done else parsed(self._call, event.encode())


class _Answer:
    """What a server's events add up to."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._thoughts = ThoughtFilter()
        self._characters = 0
        self._finish_reason = ""
        self.is_complete = False
        """Whether the server has said that this was all; its word on costs, which may follow, is not waited for."""

    def take(self, event: object) -> str:
        """Return the text of an event, empty for one without. Raises EngineFault where it reports an error."""
        if not isinstance(event, Mapping):
            raise faults.not_understood(self._call)
        if event.get("error"):
            raise faults.from_error_object(self._call, event)
        choices = event.get("choices", [])
        if not isinstance(choices, list) or not all(isinstance(choice, Mapping) for choice in choices):
            raise faults.not_understood(self._call)
        return self._counted("".join(self._thoughts.feed(self._text(choice)) for choice in choices[:1]))

    def finish(self) -> str:
        """Return the rest. Raises EngineFault where there was no answer, or it was cut off."""
        rest = self._counted(self._thoughts.finish())
        if not self.is_complete:
            raise faults.broke_off(self._call) if self._characters else faults.not_understood(self._call)
        if not self._characters:
            raise EngineFault("session_error", self._why_empty())
        return rest

    def _text(self, choice: Mapping[str, object]) -> str:
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._finish_reason, self.is_complete = reason, True
        message = choice.get("delta", choice.get("message"))
        if message is None:
            return ""
        if not isinstance(message, Mapping):
            raise faults.not_understood(self._call)
        return self._content(message.get("content")) or self._content(message.get("refusal"))

    def _content(self, content: object) -> str:
        if content is None or isinstance(content, str):
            return _HALF_CHARACTER.sub("", content or "")
        if isinstance(content, list):  # in parts, of which some are thoughts
            parts = [part for part in content if isinstance(part, Mapping) and part.get("type", "text") == "text"]
            return "".join(self._content(part.get("text")) for part in parts)
        raise faults.not_understood(self._call)

    def _counted(self, text: str) -> str:
        self._characters += len(text)
        if self._characters > MAX_ANSWER_CHARACTERS:
            raise faults.too_much(self._call)
        return text

    def _why_empty(self) -> str:
        model = f"{self._call.endpoint.model} at {self._call.endpoint.shown}"
        if self._finish_reason == "content_filter":
            return f"The filter of {model} withheld the answer. Ask in other words."
        if self._finish_reason == "length":
            return f"{model} used all its words on thinking. Ask again, or choose a model that thinks less."
        return f"{model} gave an empty answer. Ask again, or choose another model."
