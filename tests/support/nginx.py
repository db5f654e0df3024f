"""Debian's nginx in front of the agent, with the very configuration that the README shows."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.needs import need_programs

README = Path(__file__).parents[2] / "README.md"

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


@contextmanager
def nginx_before(agent_port: int, folder: Path) -> Iterator[Front]:
    """Run nginx with TLS in front of an agent."""
    need_programs("nginx", "openssl")
    certificate, key = _certificate(folder)
    port = _free_port()
    site = re.search(r"```nginx\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert site is not None, "the README shows no configuration of nginx"
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/letsencrypt/live/voice.example.org/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/voice.example.org/privkey.pem": str(key),
        "127.0.0.1:8765": f"127.0.0.1:{agent_port}",
        "/var/log/nginx": str(folder),
    }
    text = site[1]
    for shown, ours in changes.items():
        assert shown in text, shown
        text = text.replace(shown, ours)
    (folder / "site.conf").write_text(text)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
    command = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "main-error.log"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _wait_for(port, process)
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


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until it listens; nothing tells of that moment but that a connection succeeds."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"nginx ended: {process.communicate()[1]}")
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("nginx does not listen")
