"""A sound card where there is none: a private PulseAudio with a null speaker and a null microphone.

`norewinds=1` is essential: an idle null sink works in blocks of two seconds without it.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

_SETUP = """\
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
load-module module-null-sink sink_name=spk rate=48000 channels=2 norewinds=1 sink_properties=device.description=VSpeaker
load-module module-null-sink sink_name=mic rate=48000 channels=1 norewinds=1 sink_properties=device.description=VMicIn
load-module module-remap-source master=mic.monitor source_name=vmic source_properties=device.description=VMic
set-default-sink spk
set-default-source vmic
"""

PROGRAMS = ("pulseaudio", "pactl", "paplay", "parec")


class VirtualSoundCard:
    """Speak into the microphone, record the speaker, take the whole card away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "native"
        self._server: subprocess.Popen[bytes] | None = None
        self.environment = {"PULSE_SERVER": f"unix:{self._socket}"}

    @property
    def pid(self) -> int:
        """The sound server's process id."""
        assert self._server is not None
        return self._server.pid

    def start(self) -> None:
        setup = self._folder / "setup.pa"
        setup.write_text(_SETUP.format(socket=self._socket))
        runtime = self._folder / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        own = {**os.environ, "HOME": str(self._folder), "XDG_RUNTIME_DIR": str(runtime)}
        own.pop("PULSE_SERVER", None)
        self._server = subprocess.Popen(
            ["pulseaudio", "-n", "-F", str(setup), "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
             "--high-priority=no", "--realtime=no", "--disable-shm=yes"],
            env=own, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        give_up_at = time.monotonic() + 20
        while b"vmic" not in self._pactl("list", "short", "sources"):
            if self._server.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError("the virtual sound card did not start")
            time.sleep(0.02)  # its socket says nothing of when it is ready

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
            self._socket.unlink(missing_ok=True)

    def speak(self, samples: np.ndarray, rate_hz: int = 16_000) -> None:
        """Play samples into the microphone; returns when the last one has been heard."""
        path = self._folder / "spoken.wav"
        soundfile.write(path, samples, rate_hz, subtype="PCM_16")
        subprocess.run(["paplay", "--device=mic", path], env={**os.environ, **self.environment}, check=True, timeout=60)

    @contextmanager
    def listening(self):
        """Listen at the microphone; what is yielded returns once something loud has been heard there."""
        listener = subprocess.Popen(
            ["parec", "-d", "vmic", "--format=s16le", "--rate=16000", "--channels=1", "--latency-msec=10"],
            env={**os.environ, **self.environment}, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip

        def until_loud() -> None:
            while block := listener.stdout.read(320):
                if np.abs(np.frombuffer(block[: len(block) // 2 * 2], "<i2").astype(int)).max(initial=0) > 300:
                    return

        listener.stdout.read(320)
        try:
            yield until_loud
        finally:
            listener.kill()
            listener.wait()

    @contextmanager
    def recording(self, rate_hz: int = 16_000, channels: int = 1):
        """Record the speaker; the list that is yielded holds the samples afterwards, one array a channel."""
        path = self._folder / "recorded.raw"
        with path.open("wb") as file:
            recorder = subprocess.Popen(
                ["parec", "-d", "spk.monitor", "--format=s16le", f"--rate={rate_hz}", f"--channels={channels}",
                 "--latency-msec=20"],
                env={**os.environ, **self.environment}, stdout=file,
            )  # fmt: skip
            recorded: list[np.ndarray] = []
            give_up_at = time.monotonic() + 10
            while path.stat().st_size == 0 and time.monotonic() < give_up_at:
                time.sleep(0.01)  # the recorder says nothing of when it has begun
            try:
                yield recorded
                time.sleep(0.3)  # what was played last is on its way through the monitor
            finally:
                recorder.terminate()
                recorder.wait()
        samples = np.fromfile(path, "<i2")
        recorded.extend(samples[: len(samples) // channels * channels].reshape(-1, channels).T)

    def _pactl(self, *arguments: str) -> bytes:
        environment = {**os.environ, **self.environment}
        return subprocess.run(["pactl", *arguments], env=environment, capture_output=True, check=False).stdout
