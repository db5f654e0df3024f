"""The HTTP side of the agent: which requests it takes at all, and the pages for its operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from selam_cli.agent.metrics import Metrics
from selam_cli.agent.serve_settings import ServeSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def make_app(
    settings: ServeSettings, metrics: Metrics, clients: Callable[[], int], more: Iterable[Callable[..., object]] = ()
) -> web.Application:
    """Return an application with the checks and the pages; `clients` counts who has joined, `more` are middlewares.

    No header that a proxy adds is read: any client that reaches this port could write it as well.
    """
    gate = _Gate(settings, metrics, clients)
    app = web.Application(middlewares=[gate.check_origin, gate.check_transport, *more])  # type: ignore[list-item]
    app.router.add_get("/healthz", gate.health)
    app.router.add_get("/metrics", gate.metrics)
    return app


class _Gate:
    def __init__(self, settings: ServeSettings, metrics: Metrics, clients: Callable[[], int]) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clients = clients

    @web.middleware
    async def check_origin(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._settings.allow_origins:
            self._metrics.refused("origin")
            raise web.HTTPForbidden(text="This agent takes no connections from web pages of that origin.\n")
        return await handler(request)

    @web.middleware
    async def check_transport(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._settings.shares_port and request.query.get("transport") == "polling":
            self._metrics.refused("transport")
            raise web.HTTPBadRequest(text="This agent has several workers and takes WebSocket only, no long-polling.\n")
        return await handler(request)

    async def health(self, _: web.Request) -> web.Response:
        """Report on the whole service, whichever of its workers is asked."""
        stuck, clients = self._metrics.workers_stuck(), self._metrics.clients()
        told: dict[str, object] = {"status": "ok", "sessions": self._clients() if clients is None else clients}
        if not stuck:
            return web.json_response(told)
        return web.json_response({**told, "status": "degraded", "workers_stuck": stuck}, status=503)

    async def metrics(self, request: web.Request) -> web.Response:
        keys = self._settings.keys
        if keys is not None and request.headers.get("Authorization", "").removeprefix("Bearer ") not in keys:
            raise web.HTTPUnauthorized(
                text="Send one of this agent's keys: Authorization: Bearer KEY.\n",
                headers={"WWW-Authenticate": "Bearer"},
            )
        page = self._metrics.page()
        if page is None:
            raise web.HTTPNotFound(text="This agent keeps no figures.\n")
        return web.Response(body=page, headers={"Content-Type": METRICS_TYPE})
