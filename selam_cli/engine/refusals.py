"""What a refused or failed connection means, in the words of a user.

A refusal comes as a Socket.IO connect error, as an HTTP status, or as an `error` event before the session; a failure
comes as one of the HTTP library's exceptions, several layers down. Each becomes one typed error.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import aiohttp

from selam_cli.core.protocol import NAMESPACE, ErrorReport
from selam_cli.core.redaction import redact, redact_url
from selam_cli.errors import (
    ConnectionFailed,
    SelamError,
    SessionError,
    service_error,
)

_CHECK_ADDRESS = "Check the address given with --server, or use --local for the embedded agent."


def refusal(report: ErrorReport) -> SelamError:
    """Turn the reason a server gave into a typed error; one without a type is a refused session."""
    if report.type == "service_error":
        said = f" It says: {redact(report.message)}" if report.message else ""
        return SessionError(f"The server refused the connection to {NAMESPACE}.{said}", _CHECK_ADDRESS)
    return service_error(report.type, redact(report.message))


def connection_failure(error: BaseException, url: str) -> SelamError:
    """Turn what connecting raised into a typed error whose text holds no key."""
    server = redact_url(url)
    for cause in _causes(error):
        if isinstance(cause, aiohttp.WSServerHandshakeError):
            return _from_status(cause.status, server)
        if isinstance(cause, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
            return ConnectionFailed(
                f"The certificate of {server} cannot be trusted.", "Check the address and this machine's clock."
            )
        if isinstance(cause, (aiohttp.ClientConnectorSSLError, ssl.SSLError)):
            return ConnectionFailed(f"{server} does not speak TLS as expected.", "Check wss:// against ws://.")
        if isinstance(cause, aiohttp.ClientConnectorDNSError):
            return ConnectionFailed(f"The host of {server} is not known.", "Check the address and the network.")
        if isinstance(cause, aiohttp.InvalidURL):
            return ConnectionFailed(f"{server} is no address to connect to.", _CHECK_ADDRESS)
        if isinstance(cause, ConnectionRefusedError):
            return ConnectionFailed(f"Nothing answers at {server}.", _CHECK_ADDRESS)
        if isinstance(cause, TimeoutError):
            return ConnectionFailed(f"{server} did not answer in time.", "Check the network, and try again.")
    if "namespaces failed" in str(error) or "Unexpected connection error" in str(error):
        return SessionError(f"{server} does not offer {NAMESPACE}.", _CHECK_ADDRESS)
    if "OPEN packet" in str(error) or isinstance(error, (TypeError, KeyError, AttributeError, ValueError)):
        return ConnectionFailed(f"{server} is no Socket.IO server.", _CHECK_ADDRESS)
    return ConnectionFailed(f"{server} could not be reached.", "Check the address and the network.")


def _from_status(status: int, server: str) -> SelamError:
    if status == 401:
        return service_error("authentication_error", "The server does not accept the API key.")
    if status == 403:
        return service_error("authorization_error", "The server does not let this account use the Voice Agent.")
    if status == 404:
        return ConnectionFailed(f"{server} has no Voice Agent (404).", _CHECK_ADDRESS)
    return ConnectionFailed(f"{server} answered with HTTP status {status}.", "Try again later, or check the address.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, aiohttp.ClientConnectorError):
            yield error.os_error
        error = error.__cause__ or error.__context__
