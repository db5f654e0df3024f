"""What a failed call means, as the guide's error types and in the words of a user.

No message holds a key, an address with one, or more than a line of what the server says.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import aiohttp

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest.call import Call
from selam_cli.agent.rest.retry_after import in_words, retry_after_s
from selam_cli.core.plain_text import plain_line
from selam_cli.core.protocol import ERROR_TYPES
from selam_cli.core.redaction import redact
from selam_cli.net.tunnel import ProxyFault

MAX_SAID: Final = 200
_NO_CREDIT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "insufficient_credits"})


class Unreachable(EngineFault):
    """No connection to the server comes about: no network, no name server, nothing there, a proxy that gives no way."""


class Refusal(EngineFault):
    """The server understood and said no; `status` is HTTP's."""

    def __init__(self, type: str, message: str, status: int, error: _ServerError) -> None:  # noqa: A002  # the protocol's name
        super().__init__(type, message)
        self.status = status
        self.is_about_the_model = _is_about_the_model(error)
        self._said = error.words

    def speaks_of(self, *words: str) -> bool:
        """Say whether the server's words hold one of these."""
        return any(word in self._said for word in words)


class _ServerError:
    """The protocol's error object, in whatever shape it came."""

    def __init__(self, raw: object) -> None:
        error = raw.get("error", raw.get("detail", raw)) if isinstance(raw, Mapping) else raw
        fields = error if isinstance(error, Mapping) else {}
        message = fields.get("message", fields.get("detail", "")) if fields else error
        self.message = message if isinstance(message, str) else json.dumps(message) if message else ""
        self.type, self.code, self.param = (fields.get(name) for name in ("type", "code", "param"))

    @property
    def words(self) -> str:
        return " ".join(str(part) for part in (self.message, self.type, self.code, self.param) if part).lower()


def from_status(call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """Say why a server refused, from its answer's status and body."""
    error = _ServerError(_parsed(body))
    return _refusal(call, status, error, retry_after_s(headers, datetime.now(UTC)))


def from_error_object(call: Call, raw: object) -> Refusal:
    """Say why a server broke off in the middle of its answer."""
    error = _ServerError(raw)
    code = error.code if isinstance(error.code, int) and 400 <= error.code <= 599 else 500
    return _refusal(call, code, error, None)


def _refusal(call: Call, status: int, error: _ServerError, wait_s: float | None) -> Refusal:
    kind, message = _kind_and_message(call, status, error, wait_s)
    if isinstance(error.type, str) and error.type in ERROR_TYPES:
        kind = error.type
    return Refusal(kind, message, status, error)


def _kind_and_message(call: Call, status: int, error: _ServerError, wait_s: float | None) -> tuple[str, str]:
    server, model = call.endpoint.shown, plain_line(call.endpoint.model)[:80]
    said = _quoted(call, error.message)
    if status == 401 or (status == 400 and _is_about_the_key(error)):
        source = f" in {call.endpoint.key_source}" if call.endpoint.key_source else ""
        if not call.endpoint.api_key:
            return "authentication_error", f"{server} wants an API key. Set one{source}."
        return "authentication_error", f"{server} does not accept the API key. Set a valid one{source}."
    if status == 402 or error.code in _NO_CREDIT or error.type in _NO_CREDIT:
        return "authorization_error", f"The account at {server} has no credit left. Add some, or use another server."
    if status == 403:
        return "authorization_error", f"{server} refuses this account.{said} Ask for access, or use another server."
    if status in {400, 404, 422} and model and _is_about_the_model(error):
        pull = f"Get it with: ollama pull {model}." if call.endpoint.name == "Ollama" else "Choose one that it has."
        return "validation_error", f"{server} has no model {model!r}. {pull}"
    if status in {404, 405}:
        return "validation_error", f"{server} has no /{call.path}. Check its address; it mostly ends in /v1."
    if status == 413:
        return "validation_error", f"What was said is too long for {server}. Say it in fewer words."
    if status == 429:
        again = in_words(wait_s) if wait_s is not None else "in a moment"
        return call.fault, f"{server} takes no more requests at present. Try again {again}."
    if status in {408, 425} or status >= 500:
        again = in_words(wait_s) if wait_s is not None else "in a moment"
        return call.fault, f"{server} failed (HTTP status {status}).{said} Try again {again}, or use another server."
    if status >= 400:
        return "validation_error", f"{server} refused the request (HTTP status {status}).{said} Correct what it names."
    return call.fault, f"{server} answered with HTTP status {status}. Check its address; it mostly ends in /v1."


def _is_about_the_model(error: _ServerError) -> bool:
    if error.code == "model_not_found" or error.param == "model":
        return True
    unknown = ("not found", "not exist", "no such model", "unknown model", "invalid model")
    return "model" in error.words and any(words in error.words for words in unknown)


def _is_about_the_key(error: _ServerError) -> bool:
    """Some servers call a wrong key a bad request."""
    return error.code == "invalid_api_key" or ("api key" in error.words and "valid" in error.words)


def _quoted(call: Call, message: str) -> str:
    line = redact(plain_line(message[:10_000]), *call.endpoint.secrets)[:MAX_SAID].rstrip(" .")
    return f" It says: {line}." if line else ""


def _parsed(body: bytes) -> object:
    text = body.decode("utf-8", "replace").strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.startswith("<") else text  # a web page says nothing to a user


# --- no answer at all -------------------------------------------------------------------------------------------------


def from_exception(call: Call, error: BaseException) -> EngineFault:
    """Say what a failed connection means."""
    server = call.endpoint.shown
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Unreachable(call.fault, timed_out(call).message)
    if isinstance(error, TimeoutError):
        return timed_out(call)
    if isinstance(error, ProxyFault):
        return Unreachable(call.fault, f"{error.reason} {error.remedy}")
    if isinstance(error.__cause__, ssl.SSLError):  # within a proxy's tunnel
        error = error.__cause__
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
        return Unreachable(
            call.fault, f"The certificate of {server} cannot be trusted. Check its address and this machine's clock."
        )
    if isinstance(error, (aiohttp.ClientConnectorSSLError, ssl.SSLError)):
        return Unreachable(call.fault, f"{server} does not speak TLS as expected. Check https against http.")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unreachable(call.fault, f"The host of {server} is not known. Check its address and the network.")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreachable(call.fault, f"Nothing answers at {server}. Start it, or correct its address.")
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)):
        return EngineFault(call.fault, f"{server} closed the connection without an answer. Try again.")
    return not_understood(call)


def timed_out(call: Call) -> EngineFault:
    """It hangs."""
    return EngineFault(call.fault, f"{call.endpoint.shown} did not answer in time. Try again, or use another server.")


def broke_off(call: Call) -> EngineFault:
    """It closed the connection in the middle."""
    return EngineFault(call.fault, f"{call.endpoint.shown} broke off in the middle of its answer. Try again.")


def not_understood(call: Call) -> EngineFault:
    """It speaks something else."""
    return EngineFault(
        call.fault,
        f"{call.endpoint.shown} gave an answer that is none of the OpenAI protocol's. "
        "Check its address; it mostly ends in /v1.",
    )


def too_much(call: Call) -> EngineFault:
    """It does not stop."""
    return EngineFault(call.fault, f"{call.endpoint.shown} sent more than anybody can use, and was cut off. Try again.")


def sent_elsewhere(call: Call, place: str) -> EngineFault:
    """It has moved: what was said, and the key, go to no place that the user did not name."""
    return EngineFault(
        "validation_error",
        f"{call.endpoint.shown} sends its callers on to {plain_line(place)[:120]}. "
        "If you trust that place, set it as the server's address.",
    )
