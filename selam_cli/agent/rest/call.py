"""One call to a server: what is asked, and what it is called in the message that says it failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import FormData
from yarl import URL

from selam_cli.agent.rest.endpoint import Endpoint

FaultType = Literal["session_error", "audio_error"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request; one without a body is a GET.

    `form` makes the form anew each time: a form can be sent once, and a call may be repeated. `fault` is the error
    type of a failure that is no mistake of the caller's: a busy server, a hang.
    """

    endpoint: Endpoint
    path: str
    fault: FaultType
    json: object | None = None
    form: Callable[[], FormData] | None = None
    upload_bytes: int = 0

    @property
    def method(self) -> str:
        """GET or POST."""
        return "GET" if self.json is None and self.form is None else "POST"

    @property
    def url(self) -> URL:
        """The address; it may hold a secret."""
        return self.endpoint.url(self.path)
