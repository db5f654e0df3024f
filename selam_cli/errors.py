"""Everything that can go wrong in a way that a user can do something about.

    SelamError                     1   failed for a reason of its own
    ├── UsageFault                 2   wrong usage: an option, a value, a file that holds no audio
    ├── AccessRefused              3   the server refused the key
    │   ├── AuthenticationError        … it is missing or invalid
    │   └── AuthorizationError         … the account has no Voice Agent
    ├── ConnectionFailed           4   the server could not be reached, or was lost for good
    ├── DeviceError                5   no usable audio device
    └── ServiceError               6   the service reported an error
        ├── ValidationError
        ├── SessionError               … also when the service gave no answer in time
        └── AudioError

The number is the process's exit status (docs/cli.md). Each error carries two plain sentences: what is wrong, and what
to do.
"""

from __future__ import annotations

from typing import ClassVar, Final


class SelamError(Exception):
    """A failure in two sentences: `reason` says what is wrong, `remedy` what to do about it."""

    exit_code: ClassVar[int] = 1
    type: ClassVar[str] = "internal_error"

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class UsageFault(SelamError):
    """The command line, the settings or a file given to them is wrong."""

    exit_code = 2
    type = "usage_error"


class AccessRefused(SelamError):
    """The server knows who asks and says no, or does not know."""

    exit_code = 3
    type = "access_error"


class AuthenticationError(AccessRefused):
    """The API key is missing or invalid."""

    type = "authentication_error"


class AuthorizationError(AccessRefused):
    """The account's tier has no Voice Agent."""

    type = "authorization_error"


class ConnectionFailed(SelamError):
    """The server could not be reached, or was lost for good."""

    exit_code = 4
    type = "connection_error"


class DeviceError(SelamError):
    """No microphone or speaker that can be used."""

    exit_code = 5
    type = "device_error"


class ServiceError(SelamError):
    """The service reported an error of its own."""

    exit_code = 6
    type = "service_error"


class ValidationError(ServiceError):
    """The service refused a parameter or an audio format."""

    type = "validation_error"


class SessionError(ServiceError):
    """The session does not exist, could not be created, or gave no answer in time."""

    type = "session_error"


class AudioError(ServiceError):
    """The service could not process the audio."""

    type = "audio_error"


_KINDS: Final[dict[str, tuple[type[SelamError], str]]] = {
    "authentication_error": (AuthenticationError, "Run selam-voice login with a valid key, or use --local."),
    "authorization_error": (AuthorizationError, "Ask Selam for access to the Voice Agent, or use --local."),
    "validation_error": (ValidationError, "Correct the value that the message names."),
    "session_error": (SessionError, "Start a new session."),
    "audio_error": (AudioError, "Check the microphone and its level, and try again."),
}
"""Each error type of the service's guide, with what a user can do about it."""


def service_error(error_type: str, message: str) -> SelamError:
    """Turn an error as the service reports it into one of ours; an unknown type becomes a plain `ServiceError`."""
    kind, remedy = _KINDS.get(error_type, (ServiceError, "Try again; if it stays, tell Selam what you did."))
    return kind(message or f"The service reported {error_type.replace('_', ' ')}.", remedy)
