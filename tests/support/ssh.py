"""OpenSSH on loopback: a server of the test's own, and the command that reaches it."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.shell_run import until

PROGRAMS = ("ssh", "sshd", "ssh-keygen")

_SERVER = """
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
AuthorizedKeysFile {folder}/user_key.pub
AcceptEnv XDG_* SELAM_* PYTHON* PULSE_* LC_*
"""


class SshServer:
    """Takes the user who runs the tests, by a key of its own; `command` is what such a client runs."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port

    def command(self, port: int, program: Sequence[str]) -> list[str]:
        """Return the command that runs a program there in a terminal, through whatever listens at `port`."""
        options = {
            "IdentityFile": f"{self._folder}/user_key",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": f"{self._folder}/known_hosts",
            "StrictHostKeyChecking": "no",
            "LogLevel": "ERROR",
            "SendEnv": "XDG_* SELAM_* PYTHON* PULSE_* LC_*",
        }
        there = f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(program)}"
        named = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return [_found("ssh"), "-F", "none", "-tt", "-p", str(port), *named, f"{getpass.getuser()}@127.0.0.1", there]


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Run one until the block is left."""
    for name in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    (folder / "sshd_config").write_text(_SERVER.format(folder=folder), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # what a system makes as it starts the service
    port = _free_port()
    server = subprocess.Popen(
        [_found("sshd"), "-D", "-e", "-f", str(folder / "sshd_config"), "-p", str(port)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: server.poll() is not None or _answers(port), lambda: "the SSH server")
        assert server.poll() is None, "the SSH server has ended"
        yield SshServer(folder, port)
    finally:
        server.terminate()
        server.wait()


def _found(name: str) -> str:
    """Return where a program is: the server's folder is in nobody's PATH but root's, and it wants its whole path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") or name


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0) as connection:
        return connection.recv(4) == b"SSH-"
    return False
