"""What a refused or failed connection means, in the words of a user.

A refusal comes as a Socket.IO connect error, as an HTTP status, or as an `error` event before the session; a failure
comes as one of the HTTP library's exceptions, several layers down; a session may be ended by the server. Each becomes
one typed error with a sentence of its own.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import aiohttp

from selam_cli.core.protocol import NAMESPACE, ErrorReport, SessionEnded, error_report
from selam_cli.core.redaction import redact, redact_url
from selam_cli.errors import (
    ConnectionFailed,
    SelamError,
    SessionError,
    service_error,
)
from selam_cli.net.tunnel import ProxyFault, ProxyRefused

_CHECK_ADDRESS = "Check the address given with --server, or use --local for the embedded agent."

_NO_SUCH_NAMESPACE: Final = frozenset({"Invalid namespace", "Unable to connect"})
"""What Node's server and python-socketio say of a namespace that they do not have."""

_LONGEST_OBJECT: Final = 2_000

_OVER: Final = {
    "idle": "The server ended the session, for nothing was said in a long time.",
    "time_limit": "The server ended the session, for it had lasted as long as one may.",
    "too_fast": "The server ended the session, for more came than it takes in the time.",
}
"""The reasons for which a server ends a session and would soon end the next one, if that began at once."""


class SessionOver(SessionError):
    """The server ended the session and has done with it: another one begins when the user does something."""

    def __init__(self, why: str) -> None:
        super().__init__(_OVER[why], "Speak, and a new session begins.")
        self.why = why


class Redirected(Exception):
    """A server answered the handshake by naming another address; it is not followed, because the key would go along."""

    def __init__(self, location: str) -> None:
        super().__init__("redirected")
        self.location = location


async def follow_no_redirect(_: object, __: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
    """Stop the HTTP library before it follows a redirect (a hook of its `TraceConfig`)."""
    raise Redirected(redirect.response.headers.get("Location", ""))


def session_over(message: SessionEnded) -> SessionOver | None:
    """Return the end that is final; None where the server may as well have been restarted."""
    return SessionOver(message.status) if message.status in _OVER else None


def is_final(error: SelamError) -> bool:
    """Say whether another attempt would end alike: what was refused is refused again, what is over stays over.

    A session that does not come may be a server that is starting up, and is tried again like one that was lost.
    """
    if isinstance(error, (SessionOver, ProxyRefused)):
        return True
    return not isinstance(error, (ConnectionFailed, SessionError))


def refusal(report: ErrorReport) -> SelamError:
    """Turn the reason a server gave into a typed error; one without a type is a refused session."""
    if report.message in _NO_SUCH_NAMESPACE:
        return SessionError(f"The server has no Voice Agent: it does not know {NAMESPACE}.", _CHECK_ADDRESS)
    report = _opened(report)
    if report.type == "service_error":
        said = f" It says: {redact(report.message)}" if report.message else ""
        return SessionError(f"The server refused the connection to {NAMESPACE}.{said}", _CHECK_ADDRESS)
    return service_error(report.type, redact(report.message))


def _opened(report: ErrorReport) -> ErrorReport:
    """Take a reason out of a text that it was written into: python-socketio sends a lone dict as its repr."""
    message = report.message.strip()
    if message.startswith("{") and len(message) <= _LONGEST_OBJECT:
        for read in (json.loads, ast.literal_eval):
            with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                return error_report(read(message))
    if message.startswith(f"{report.type}:"):
        return ErrorReport(report.type, message.partition(":")[2].strip())
    return report


def connection_failure(error: BaseException, url: str) -> SelamError:
    """Turn what connecting raised into a typed error whose text holds no key."""
    server = redact_url(url)
    if isinstance(error, Redirected):
        return _sent_on(error.location, server)
    for cause in _causes(error):
        if isinstance(cause, ProxyFault):
            return cause
        failure = _of_http(cause, server) or _of_tls(cause, server) or _of_network(cause, server)
        if failure is not None:
            return failure
    if "namespaces failed" in str(error) or "Unexpected connection error" in str(error):
        return SessionError(f"{server} does not offer {NAMESPACE}.", _CHECK_ADDRESS)
    if "OPEN packet" in str(error) or isinstance(error, (TypeError, KeyError, AttributeError, ValueError)):
        return ConnectionFailed(f"{server} is no Socket.IO server.", _CHECK_ADDRESS)
    return ConnectionFailed(f"{server} could not be reached.", "Check the address and the network.")


def _of_http(cause: BaseException, server: str) -> SelamError | None:
    match cause:
        case aiohttp.WSServerHandshakeError(status=status):
            return _from_status(status, server)
        case aiohttp.InvalidURL():
            return ConnectionFailed(f"{server} is no address to connect to.", _CHECK_ADDRESS)
        case aiohttp.ServerDisconnectedError():
            return _broken_off(server)
        case aiohttp.ClientResponseError():
            return ConnectionFailed(f"What answers at {server} is no web server, so no Voice Agent.", _CHECK_ADDRESS)
    return None


_CERTIFICATE: Final = {
    9: ("is not valid yet", "Check this machine's clock."),
    10: ("has expired", "Check this machine's clock; if it is right, tell whoever runs the server."),
    18: ("is signed by itself", "If the server is your own, name its certificate in SSL_CERT_FILE."),
    62: ("belongs to another host", "Check the address: the name in it must be the certificate's."),
}
"""OpenSSL's X509_V_ERR_…, the four that a user can tell apart."""

_UNKNOWN_ISSUER: Final = (
    "is signed by no authority that this machine knows",
    "If the server is your own, name its authority's certificate in SSL_CERT_FILE.",
)


def _of_tls(cause: BaseException, server: str) -> SelamError | None:
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):  # itself one of the next kind, but says nothing
        cause = cause.certificate_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        problem, remedy = _CERTIFICATE.get(cause.verify_code, _UNKNOWN_ISSUER)
        return ConnectionFailed(f"The certificate of {server} {problem}.", remedy)
    if isinstance(cause, (aiohttp.ClientConnectorSSLError, ssl.SSLError)):
        return ConnectionFailed(f"{server} does not speak TLS as expected.", "Check wss:// against ws://.")
    return None


def _of_network(cause: BaseException, server: str) -> SelamError | None:
    if isinstance(cause, socket.gaierror):
        if cause.errno == socket.EAI_AGAIN:
            return ConnectionFailed(f"The host of {server} could not be looked up.", "Check the network.")
        return ConnectionFailed(f"The host of {server} is not known.", "Check the address and the network.")
    if isinstance(cause, ConnectionRefusedError):
        return ConnectionFailed(f"Nothing answers at {server}.", _CHECK_ADDRESS)
    if isinstance(cause, TimeoutError):
        return ConnectionFailed(f"{server} did not answer in time.", "Check the address and the network.")
    if isinstance(cause, ConnectionError):  # reset, aborted, broken pipe
        return _broken_off(server)
    if isinstance(cause, OSError) and cause.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}:
        return ConnectionFailed(f"There is no network that leads to {server}.", "Check this machine's network.")
    return None


def _sent_on(location: str, server: str) -> SelamError:
    to = f" to {redact(redact_url(location))[:200]}" if "://" in location else ""
    sentence = f"{server} sends one on{to}, and the key does not go along."
    return ConnectionFailed(sentence, "If you trust that address, give it with --server.")


def _broken_off(server: str) -> SelamError:
    sentence = f"{server} breaks the connection off before it says anything."
    return ConnectionFailed(sentence, "Check the address, and wss:// against ws://.")


def _from_status(status: int, server: str) -> SelamError:
    match status:
        case 401:
            return service_error("authentication_error", "The server does not accept the API key (401).")
        case 403:
            return service_error(
                "authorization_error", "The server does not let this account use the Voice Agent (403)."
            )
        case 404:
            return ConnectionFailed(f"{server} has no Voice Agent (404).", _CHECK_ADDRESS)
        case 429:
            return ConnectionFailed(f"{server} has too much to do (429).", "It is tried again; else come back later.")
        case 502 | 503 | 504:
            return ConnectionFailed(
                f"The Voice Agent behind {server} is not running ({status}).", "Try again later, or use --local."
            )
        case _ if status < 500:
            return ConnectionFailed(f"{server} is a web server without a Voice Agent ({status}).", _CHECK_ADDRESS)
    return ConnectionFailed(f"{server} answered with HTTP status {status}.", "Try again later, or check the address.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, aiohttp.ClientConnectorError):
            yield error.os_error
        error = error.__cause__ or error.__context__
