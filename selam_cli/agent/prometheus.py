"""The agent's figures for Prometheus, through the package prometheus_client.

Several workers on one port write into files of a folder that they share, and whichever is asked adds them up: a scrape
reaches any one of them, and its operator wants to know of all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from selam_cli.agent.metrics import SHARED_FOLDER, Metrics

SECONDS: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""The histograms' steps: fine where a conversation is pleasant or not, coarse where it is lost anyway."""


BYTES_AT_ONCE: Final = 65_536
"""Bytes are counted in such portions: with several workers a count is a write into a file, ten times a second each."""


STUCK_AFTER_S: Final = 4.0
"""A process that has shown no sign of life for this long is of no use to its clients, whatever it is doing."""


class _Bytes:
    """Counts bytes, a portion at a time."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._more = 0

    def add(self, size_bytes: int) -> None:
        self._more += size_bytes
        if self._more >= BYTES_AT_ONCE:
            self.tell()

    def tell(self) -> None:
        self._counter.inc(self._more)
        self._more = 0


class PrometheusMetrics(Metrics):
    """Counts for one process, or for one of several that share a folder."""

    def __init__(self) -> None:
        kept = self._kept = CollectorRegistry()
        self._connections = _gauge("connections", "Clients that have joined.", kept)
        self._sessions = _gauge("sessions", "Sessions that are open.", kept)
        self._alive = Gauge("selam_voice_alive_timestamp_seconds", "When the process was last seen to be alive.",
                            registry=kept, multiprocess_mode="liveall")  # fmt: skip
        self._refused = _counter("refused", "Clients that were not let in.", kept, "reason")
        self._started = _counter("sessions_started", "Sessions begun.", kept)
        self._ended = _counter("sessions_ended", "Sessions ended.", kept, "status")
        self._turns = _counter("turns", "Turns ended.", kept, "outcome")
        self._received = _Bytes(_counter("received_bytes", "Bytes of messages that came in.", kept))
        self._sent = _Bytes(_counter("sent_bytes", "Bytes of messages that went out.", kept))
        after = "Seconds from the end of speech to"
        self._transcription = _histogram("transcription_seconds", f"{after} the final transcription.", kept)
        self._first_token = _histogram("first_token_seconds", f"{after} the first text of the answer.", kept)
        self._first_sound = _histogram("first_sound_seconds", f"{after} the first sound of the answer.", kept)
        self.beat()  # or another worker would take this one for stuck while it starts

    def connected(self) -> None:
        """A client has joined."""
        self._connections.inc()

    def disconnected(self) -> None:
        """It is gone."""
        self._connections.dec()
        self._received.tell()
        self._sent.tell()

    def refused(self, reason: str) -> None:
        """A client was not let in."""
        self._refused.labels(reason).inc()

    def session_started(self) -> None:
        """A session began."""
        self._sessions.inc()
        self._started.inc()

    def session_ended(self, status: str) -> None:
        """A session ended."""
        self._sessions.dec()
        self._ended.labels(status).inc()

    def received(self, size_bytes: int) -> None:
        """A message came in."""
        self._received.add(size_bytes)

    def sent(self, size_bytes: int) -> None:
        """A message went out."""
        self._sent.add(size_bytes)

    def transcribed(self, seconds: float) -> None:
        """A turn's final transcription was there."""
        self._transcription.observe(seconds)

    def first_token(self, seconds: float) -> None:
        """A turn's answer began, as text."""
        self._first_token.observe(seconds)

    def first_sound(self, seconds: float) -> None:
        """A turn's answer began to sound."""
        self._first_sound.observe(seconds)

    def turn(self, outcome: str) -> None:
        """A turn ended."""
        self._turns.labels(outcome).inc()

    def beat(self) -> None:
        """The process is alive."""
        self._alive.set_to_current_time()

    def clients(self) -> int:
        """Return how many clients have joined, with all workers'."""
        return int(sum(self._values("selam_voice_connections")))

    def workers_stuck(self) -> int:
        """Return how many of the processes that share the figures have not been alive lately; one alone cannot tell."""
        if SHARED_FOLDER not in os.environ:
            return 0
        long_ago = time.time() - STUCK_AFTER_S
        return sum(at < long_ago for at in self._values("selam_voice_alive_timestamp_seconds"))

    def page(self) -> bytes:
        """Return the figures of all that share them."""
        self._received.tell()
        self._sent.tell()
        return prometheus_client.generate_latest(self._of_all())

    def _values(self, name: str) -> Iterator[float]:
        """Yield the values of one figure, each process's where they are told apart."""
        for family in self._of_all().collect():
            if family.name == name:
                yield from (sample.value for sample in family.samples)

    def _of_all(self) -> CollectorRegistry:
        if SHARED_FOLDER not in os.environ:
            return self._kept
        told = CollectorRegistry()
        MultiProcessCollector(told)  # type: ignore[no-untyped-call]  # the package's own omission
        return told


def _counter(name: str, meaning: str, kept: CollectorRegistry, *labels: str) -> Counter:
    return Counter(f"selam_voice_{name}", meaning, labels, registry=kept)


def _gauge(name: str, meaning: str, kept: CollectorRegistry) -> Gauge:
    return Gauge(f"selam_voice_{name}", meaning, registry=kept, multiprocess_mode="livesum")


def _histogram(name: str, meaning: str, kept: CollectorRegistry) -> Histogram:
    return Histogram(f"selam_voice_{name}", meaning, registry=kept, buckets=SECONDS)
