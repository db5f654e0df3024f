"""Calls to OpenAI-compatible servers over connections that all engines of a process share.

Leaving a call closes its connection at once, so that a server stops generating what no caller waits for. Whatever goes
wrong is an EngineFault; no exception of the HTTP library leaves this file, because its text may hold an address with
a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from yarl import URL

from selam_cli import __version__
from selam_cli.agent.responder import EngineFault
from selam_cli.agent.rest import faults
from selam_cli.agent.rest.call import Call
from selam_cli.agent.rest.endpoint import unusable
from selam_cli.agent.rest.retry_after import retry_after_s
from selam_cli.core.proxy import Proxy
from selam_cli.errors import UsageFault
from selam_cli.net.tunnel import ProxyFault, basic, not_there, proxy_for, refusal

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""An answer's events, or a sentence's sound: a minute and a half of stereo WAV at 48 kHz."""

MAX_ERROR_BYTES: Final = 65_536
ERROR_WITHIN_S: Final = 5.0
WORTH_WAITING_S: Final = 2.0
"""Seconds. A server that wants to be asked again so soon is, once; a longer wait is an error: a user is listening."""

MAX_ONWARD: Final = 3
SLOWEST_UPLOAD_BYTES_PER_S: Final = 50_000
KEPT_OPEN_S: Final = 60.0
"""People think between two turns, and a new TLS connection costs 100 ms and more."""

LAST_BYTES_WITHIN_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class TimeOuts:
    """How long a server may be silent.

    `first_byte_s` holds for the answer's head and again for the first bytes of its body; `waiting_s` for all the time
    spent on waiting for one answer, whatever keeps the connection alive.
    """

    connect_s: float = 5.0
    first_byte_s: float = 30.0
    between_s: float = 15.0
    waiting_s: float = 300.0

    @classmethod
    def with_patience(cls, seconds: float) -> TimeOuts:
        """Return those of a user who waits this long for an answer to begin; half of it is enough within one."""
        return cls(connect_s=min(cls().connect_s, seconds), first_byte_s=seconds, between_s=seconds / 2)


class RestClient:
    """One per process. It connects when it is first used, and is closed by its maker."""

    def __init__(self, time_outs: TimeOuts | None = None) -> None:
        self._time_outs = time_outs or TimeOuts()
        self._sessions: dict[Proxy | None, aiohttp.ClientSession] = {}
        """By the proxy whose tunnels a session's connections go through."""
        self._closed = False

    async def close(self) -> None:
        """Close all connections for good; what is under way fails."""
        self._closed = True
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[Body]:
        """Make a call; the body of its answer is read within the context. Raises EngineFault where it is refused."""
        problem = "The agent is ending." if self._closed else unusable(call.endpoint)
        if problem is not None:
            raise EngineFault("validation_error", problem)
        try:
            proxy_for(str(call.url))
        except UsageFault as fault:
            raise EngineFault("validation_error", f"{fault.reason} {fault.remedy}") from None
        response = await self._accepted(call)
        try:
            yield Body(response, call, self._time_outs)
        finally:
            _let_go(response)

    async def _accepted(self, call: Call) -> aiohttp.ClientResponse:
        """Return the answer whose status is 200, having waited or followed where that is right."""
        tries = _Tries(call.url)
        while (response := await self._answered(call, tries.url)).status != 200:
            try:
                wait_s = await _before_next_try(call, tries, response)
            finally:
                _let_go(response)
            await asyncio.sleep(wait_s)
        return response

    async def _answered(self, call: Call, url: URL) -> aiohttp.ClientResponse:
        """Return the head of the answer; a connection that died of old age is replaced once."""
        connection = SimpleNamespace(is_old=False)
        try:
            return await self._sent(call, url, connection)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError) as error:
            if not connection.is_old:
                raise faults.from_exception(call, error) from None
        except (ProxyFault, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise faults.from_exception(call, error) from None
        try:
            return await self._sent(call, url, connection)
        except (ProxyFault, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise faults.from_exception(call, error) from None

    async def _sent(self, call: Call, url: URL, connection: SimpleNamespace) -> aiohttp.ClientResponse:
        key, proxy = call.endpoint.api_key, proxy_for(str(url))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # An HTTP proxy is given a plain request as a whole: many open a tunnel to port 443 alone.
        forwards = proxy is not None and url.scheme == "http" and not proxy.is_socks
        if proxy is not None and forwards and (who := basic(proxy)) is not None:
            headers["Proxy-Authorization"] = who
        async with asyncio.timeout(self._time_outs.first_byte_s + call.upload_bytes / SLOWEST_UPLOAD_BYTES_PER_S):
            try:
                response = await self._opened(None if forwards else proxy).request(
                    call.method,
                    url,
                    json=call.json,
                    data=call.form() if call.form is not None else None,
                    headers=headers or None,
                    allow_redirects=False,
                    proxy=f"{proxy.kind}://{proxy.shown}" if proxy is not None and forwards else None,
                    trace_request_ctx=connection,
                )
            except aiohttp.ClientProxyConnectionError as error:
                if proxy is None:
                    raise
                raise not_there(proxy, url.host or "", error.os_error) from None
        if response.status == 407 and proxy is not None:
            _let_go(response)
            asked_for = "".join(
                f"Proxy-Authenticate: {way}\n" for way in response.headers.getall("Proxy-Authenticate", ())
            )
            raise refusal(proxy, f"{url.host}:{url.port}", response.status, asked_for)
        return response

    def _opened(self, tunnels: Proxy | None) -> aiohttp.ClientSession:
        if tunnels not in self._sessions:
            # No limit: a session that waits for another's answer would wait for nothing. No cookies, no compression:
            # the one would mix sessions up, the other holds tokens back.
            options: dict[str, Any] = {"limit": 0, "keepalive_timeout": KEPT_OPEN_S}
            connect_s = self._time_outs.connect_s
            self._sessions[tunnels] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(**options) if tunnels is None else _through(tunnels, connect_s, options),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"selam-voice/{__version__}", "Accept-Encoding": "identity"},
                # A tunnel is bounded where it is opened, so that the proxy is named.
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_s if tunnels is None else None),
                trace_configs=[_noting_old_connections()],
            )
        return self._sessions[tunnels]


def _through(proxy: Proxy, within_s: float, options: dict[str, Any]) -> aiohttp.TCPConnector:
    from selam_cli.net.tunnel_connector import TunnelConnector  # loaded where there is a proxy

    return TunnelConnector(proxy, within_s=within_s, **options)


class Body:
    """An answer's body as it comes."""

    def __init__(self, response: aiohttp.ClientResponse, call: Call, time_outs: TimeOuts) -> None:
        self._response = response
        self._call = call
        self._between_s = time_outs.between_s
        self._limit_s = time_outs.first_byte_s
        self._waiting_left_s = time_outs.waiting_s
        self._left_bytes = MAX_BODY_BYTES
        self.content_type = response.headers.get("Content-Type", "").lower()

    async def read(self) -> bytes:
        """Return the next bytes, empty at the end. Raises EngineFault where they do not come or never end."""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(self._limit_s, self._waiting_left_s)):
                piece = await self._response.content.readany()
        except TimeoutError:
            raise faults.timed_out(self._call) from None
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError):  # the last where the client has been closed
            raise faults.broke_off(self._call) from None
        self._waiting_left_s -= asyncio.get_running_loop().time() - began
        self._limit_s = self._between_s
        self._left_bytes -= len(piece)
        if self._left_bytes < 0:
            raise faults.too_much(self._call)
        return piece

    async def whole(self, most_bytes: int = MAX_BODY_BYTES) -> bytes:
        """Return all of it. Raises EngineFault for more than `most_bytes`."""
        body = bytearray()
        while piece := await self.read():
            body += piece
            if len(body) > most_bytes:
                raise faults.too_much(self._call)
        return bytes(body)

    async def finish(self) -> None:
        """Read the stream's last bytes, because only a connection that was read to its end can be used again."""
        with suppress(TimeoutError, EngineFault):
            async with asyncio.timeout(LAST_BYTES_WITHIN_S):
                while await self.read():
                    pass


def _let_go(response: aiohttp.ClientResponse) -> None:
    """Give an answer's connection back where it is complete, else end it: with TLS, a close would wait for the peer."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


@dataclass(slots=True)
class _Tries:
    """Where a call goes next, and what has been tried before."""

    url: URL
    onward: int = 0
    has_waited: bool = False


async def _before_next_try(call: Call, tries: _Tries, response: aiohttp.ClientResponse) -> float:
    """Return the seconds after which to try again. Raises EngineFault where that is no use."""
    if response.status in {301, 302, 303, 307, 308} and tries.onward < MAX_ONWARD:
        tries.url, tries.onward = _onward(call, tries.url, response), tries.onward + 1
        return 0.0
    if response.status in {429, 503} and not tries.has_waited:
        wait_s = retry_after_s(response.headers, datetime.now(UTC))
        if wait_s is not None and wait_s <= WORTH_WAITING_S:
            tries.has_waited = True
            return wait_s
    raise faults.from_status(call, response.status, response.headers, await _error_body(response))


def _onward(call: Call, url: URL, response: aiohttp.ClientResponse) -> URL:
    """Return where a server sends us on to within itself. Raises EngineFault for any other place."""
    try:
        place = url.join(URL(response.headers.get("Location", "")))
        origin = place.origin()
    except ValueError:
        raise faults.not_understood(call) from None
    if origin != url.origin():
        raise faults.sent_elsewhere(call, str(origin))
    if response.status not in {307, 308}:  # the others ask for a GET, which is another question
        raise faults.sent_elsewhere(call, str(origin.with_path(place.path)))
    return place


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    """Return what a server says of its refusal, as far as it says it soon."""
    body = bytearray()
    with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
        async with asyncio.timeout(ERROR_WITHIN_S):
            while len(body) < MAX_ERROR_BYTES and (piece := await response.content.readany()):
                body += piece
    return bytes(body[:MAX_ERROR_BYTES])


def _noting_old_connections() -> aiohttp.TraceConfig:
    """A server may close an idle connection while a request is on its way to it; only then is one sent twice."""

    async def note(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.is_old = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(note)
    return config
