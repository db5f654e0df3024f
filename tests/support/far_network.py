"""A network of one's own between two network namespaces, whose packets are delayed, lost and cut.

It does what `tc netem` does, and needs no such module of the kernel: two TUN devices, one at each end, and between
them this process, which carries each IP packet or does not. So TCP itself meets the loss, as it would outside. Meant
for a process that is in a network namespace of its own already (`unshare -rn`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import random
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE, THERE = "10.77.0.1", "10.77.0.2"
_TUNSETIFF, _IFF_TUN_NO_PI = 0x400454CA, 0x1001
_CLONE_NEWNET = 0x40000000


class FarNetwork:
    """The server's end is here, at `HERE`; `enter` is put before a program's command line to run it at the other."""

    def __init__(self, seed: int = 1) -> None:
        self._far = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        self.enter = ["nsenter", "-t", str(self._far.pid), "-n"]
        self.delay_s = 0.0
        self.loss = 0.0
        self.cut = False
        self.lost = 0
        """How many packets were."""
        self._dice = random.Random(seed)
        self._ends: list[int] = []

    def open(self) -> None:
        own, far = Path("/proc/self/ns/net"), Path(f"/proc/{self._far.pid}/ns/net")
        while far.readlink() == own.readlink():
            pass  # `unshare` has yet to do its work
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self._ends = [_tun(HERE, THERE), self._in_the_far_namespace(lambda: _tun(THERE, HERE))]
        loop = asyncio.get_running_loop()
        for end, other in (self._ends, reversed(self._ends)):
            loop.add_reader(end, self._carry, end, other)

    def close(self) -> None:
        for end in self._ends:
            asyncio.get_running_loop().remove_reader(end)
            os.close(end)
        self._far.kill()
        self._far.wait()

    def _in_the_far_namespace(self, work):
        """A thread may be in another namespace than its process."""
        done: list[int] = []

        def run() -> None:
            namespace = os.open(f"/proc/{self._far.pid}/ns/net", os.O_RDONLY)
            assert ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) == 0
            os.close(namespace)
            done.append(work())

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return done[0]

    def _carry(self, end: int, other: int) -> None:
        packet = os.read(end, 65_536)
        if self.cut or self._dice.random() < self.loss:
            self.lost += 1
            return
        asyncio.get_running_loop().call_later(self.delay_s, self._deliver, other, packet)

    @staticmethod
    def _deliver(end: int, packet: bytes) -> None:
        with contextlib.suppress(OSError):  # closed meanwhile
            os.write(end, packet)


def _tun(own: str, peer: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", b"far0", _IFF_TUN_NO_PI))
    subprocess.run(["ip", "address", "add", own, "peer", peer, "dev", "far0"], check=True)
    subprocess.run(["ip", "link", "set", "far0", "up"], check=True)
    return end


@contextmanager
def far_network() -> Iterator[FarNetwork]:
    network = FarNetwork()
    try:
        network.open()
        yield network
    finally:
        network.close()
