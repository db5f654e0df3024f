"""Debian's nginx in front of the agent, with the very configuration that docs/serve.md shows."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.needs import need_programs

GUIDE = Path(__file__).parents[2] / "docs" / "serve.md"

AROUND = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/main-error.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log {folder}/main-access.log;
    include {folder}/site.conf;
}}
"""
"""What Debian's own nginx.conf says around a site, with every path in a folder of the test's."""


@dataclass(frozen=True, slots=True)
class Front:
    """A running nginx: where it is, whom to trust for it, and what it has written."""

    port: int
    certificate: Path
    folder: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://localhost:{self.port}"

    @property
    def logs(self) -> str:
        """Everything it has logged."""
        return "".join(log.read_text() for log in self.folder.glob("*.log"))

    async def logged(self, words: str) -> str:
        """Wait until it has logged something, which it does when it has answered; return everything."""
        async with asyncio.timeout(20):
            while words not in self.logs:
                await asyncio.sleep(0.01)
        return self.logs


@contextmanager
def nginx_before(agent_port: int, folder: Path, path: str = "") -> Iterator[Front]:
    """Run nginx with TLS in front of an agent, below a path where one is given, such as `/voice`."""
    need_programs("nginx", "openssl")
    certificate, key = _certificate(folder)
    # It is handed a socket that listens already: a port that was only free a moment ago may be somebody's by now.
    listening = socket.create_server(("127.0.0.1", 0))
    port = int(listening.getsockname()[1])
    site = re.search(r"```nginx\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert site is not None, "docs/serve.md shows no configuration of nginx"
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/letsencrypt/live/voice.example.org/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/voice.example.org/privkey.pem": str(key),
        "127.0.0.1:8765": f"127.0.0.1:{agent_port}",
        "/var/log/nginx": str(folder),
    }
    text = site[1]
    if path:
        at_its_root = "location /socket.io/ {\n        proxy_pass http://127.0.0.1:8765;"
        below = at_its_root.replace("/socket.io/", f"{path}/socket.io/").replace("8765;", "8765/socket.io/;")
        changes = {at_its_root: below, **changes}
    for shown, ours in changes.items():
        assert shown in text, shown
        text = text.replace(shown, ours)
    (folder / "site.conf").write_text(text)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
    command = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "main-error.log"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "NGINX": f"{listening.fileno()};"}, pass_fds=[listening.fileno()],
    )  # fmt: skip
    listening.close()
    try:
        yield Front(port, certificate, folder)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key
