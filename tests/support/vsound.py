"""A sound card where there is none: a private PulseAudio with a null speaker and a null microphone.

More devices can be plugged and unplugged, and the server killed, stopped and started again.
`python -m tests.support.vsound [COMMAND …]` runs a command with such a card, or a shell.

`norewinds=1` is essential: an idle null sink works in blocks of two seconds without it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

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
        self.folder = folder
        self.socket = folder / "native"
        self._server: subprocess.Popen[bytes] | None = None
        self.environment = {"PULSE_SERVER": f"unix:{self.socket}"}

    @property
    def pid(self) -> int:
        """The sound server's process id."""
        assert self._server is not None
        return self._server.pid

    def start(self) -> None:
        setup = self.folder / "setup.pa"
        setup.write_text(_SETUP.format(socket=self.socket))
        runtime = self.folder / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        own = {**os.environ, "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(runtime)}
        own.pop("PULSE_SERVER", None)
        self._server = subprocess.Popen(
            ["pulseaudio", "-n", "-F", str(setup), "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
             "--high-priority=no", "--realtime=no", "--disable-shm=yes"],
            env=own, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        give_up_at = time.monotonic() + 20
        while "vmic" not in self.pactl("list", "short", "sources"):
            if self._server.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError("the virtual sound card did not start")
            time.sleep(0.02)  # its socket says nothing of when it is ready

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
            self.socket.unlink(missing_ok=True)

    def restart(self) -> None:
        """Kill the server and start it again: what was plugged in is gone."""
        self.stop()
        self.start()

    @contextmanager
    def standing_still(self):
        """A server that answers nobody for a while."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def plug(self, name: str, rate_hz: int = 48_000, channels: int = 2) -> None:
        """Connect a headset: the speaker `{name}`, and the microphone `{name}Mic`, which hears the sink `{name}-in`."""
        sound = (f"rate={rate_hz}", f"channels={channels}", "norewinds=1")
        self.pactl("load-module", "module-null-sink", f"sink_name={name}", *sound, _described("sink", name))
        self.pactl("load-module", "module-null-sink", f"sink_name={name}-in", *sound, _described("sink", f"{name}-in"))
        self.pactl(
            "load-module", "module-remap-source", f"source_name={name}-mic", f"master={name}-in.monitor",
            _described("source", f"{name}Mic"),
        )  # fmt: skip

    def unplug(self, name: str) -> None:
        """Disconnect it."""
        for line in reversed(self.pactl("list", "short", "modules").splitlines()):
            arguments = line.split()
            if any(argument in {f"sink_name={name}", f"sink_name={name}-in", f"source_name={name}-mic"}
                   for argument in arguments):  # fmt: skip
                self.pactl("unload-module", arguments[0])

    def plug_microphone(self) -> None:
        """Connect the card's own microphone again, as the system's default one."""
        self.pactl(
            "load-module", "module-remap-source", "master=mic.monitor", "source_name=vmic", _described("source", "VMic")
        )
        self.pactl("set-default-source", "vmic")

    def unplug_microphone(self) -> None:
        """Disconnect the card's own microphone: only what speakers play is left, which the system then listens to."""
        for line in self.pactl("list", "short", "modules").splitlines():
            if "source_name=vmic" in line:
                self.pactl("unload-module", line.split("\t")[0])
        self.pactl("set-default-source", "spk.monitor")

    def make_default(self, name: str) -> None:
        """Choose this headset, or with `spk` the card's own devices, as the system's default ones."""
        self.pactl("set-default-sink", name)
        self.pactl("set-default-source", "vmic" if name == "spk" else f"{name}-mic")

    def suspend(self, *, on: bool) -> None:
        """Suspend the card's own speaker and microphone, as a system does that goes to sleep, or wake them."""
        self.pactl("suspend-sink", "spk", str(int(on)))
        self.pactl("suspend-source", "vmic", str(int(on)))

    def streams(self, pid: int) -> list[str]:
        """Return what a process has open, as `playing on SINK` and `recording from SOURCE`; it may have moved."""
        return sorted([
            *self._streams("sink-inputs", "sinks", "playing on", pid),
            *self._streams("source-outputs", "sources", "recording from", pid),
        ])  # fmt: skip

    def _streams(self, streams: str, devices: str, words: str, pid: int) -> list[str]:
        names = dict(line.split("\t")[:2] for line in self.pactl("list", "short", devices).splitlines())
        found = json.loads(self.pactl("--format=json", "list", streams) or "[]")
        key = devices[:-1]
        return [f"{words} {names.get(str(stream[key]), '?')}" for stream in found
                if stream["properties"].get("application.process.id") == str(pid)]  # fmt: skip

    def speak(self, samples: np.ndarray, rate_hz: int = 16_000, into: str = "mic") -> None:
        """Play samples into a microphone; returns when the last one has been heard."""
        own = {**os.environ, **self.environment}
        path = self.folder / "spoken.wav"
        soundfile.write(path, samples, rate_hz, subtype="PCM_16")
        subprocess.run(["paplay", f"--device={into}", path], env=own, check=True, timeout=60)

    @contextmanager
    def humming(self, samples: np.ndarray, rate_hz: int = 16_000, into: str = "mic"):
        """Play samples into a microphone for as long as they last or this does; begins when they are heard there."""
        path = self.folder / "hum.wav"
        soundfile.write(path, samples, rate_hz, subtype="PCM_16")
        with self.listening() as until_loud:
            player = subprocess.Popen(["paplay", f"--device={into}", path], env={**os.environ, **self.environment})
            try:
                until_loud()
                yield
            finally:
                player.kill()
                player.wait()

    @contextmanager
    def loudspeaker(self):
        """Let the microphone hear the speaker, as in a room without a headset."""
        module = self.pactl("load-module", "module-loopback", "source=spk.monitor", "sink=mic", "latency_msec=30")
        try:
            yield
        finally:
            self.pactl("unload-module", module.strip())

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
    def recording(self, rate_hz: int = 16_000, channels: int = 1, sink: str = "spk"):
        """Record a speaker; the list that is yielded holds the samples afterwards, one array a channel."""
        path = self.folder / f"recorded-{sink}.raw"
        with path.open("wb") as file:
            recorder = subprocess.Popen(
                ["parec", "-d", f"{sink}.monitor", "--format=s16le", f"--rate={rate_hz}", f"--channels={channels}",
                 "--latency-msec=20"],
                env={**os.environ, **self.environment}, stdout=file,
            )  # fmt: skip
            recorded: list[np.ndarray] = []
            try:
                _wait_for_growth(path, recorder, 1)
                yield recorded
                # What was played last is on its way through the monitor, which takes longer on a machine that is busy:
                # so half a second is waited for by the card's own clock.
                _wait_for_growth(path, recorder, rate_hz * channels)
            finally:
                recorder.terminate()
                recorder.wait()
        samples = np.fromfile(path, "<i2")
        recorded.extend(samples[: len(samples) // channels * channels].reshape(-1, channels).T)

    @contextmanager
    def echoing(self, level_db: float = -12.0, latency_ms: int = 40):
        """Let the microphone hear the speaker, as it does in a room."""
        module = self.pactl(
            "load-module", "module-loopback", "source=spk.monitor", "sink=mic", f"latency_msec={latency_ms}",
            "sink_dont_move=true", "source_dont_move=true",
        ).strip()  # fmt: skip
        assert module.isdigit(), "the sound server gives no loopback"
        try:
            for line in self.pactl("list", "sink-inputs").split("Sink Input #")[1:]:
                if f"Owner Module: {module}\n" in line:
                    self.pactl("set-sink-input-volume", line.split("\n")[0], f"{level_db}dB")
            yield
        finally:
            self.pactl("unload-module", module)

    def pactl(self, *arguments: str) -> str:
        environment = {**os.environ, **self.environment}
        outcome = subprocess.run(["pactl", *arguments], env=environment, capture_output=True, text=True, check=False)
        return outcome.stdout


def _wait_for_growth(path: Path, recorder: subprocess.Popen[bytes], least_bytes: int) -> None:
    """Wait until so much more has been recorded, or the recorder has ended, for its sound server is gone."""
    wanted, give_up_at = path.stat().st_size + least_bytes, time.monotonic() + 20
    while path.stat().st_size < wanted and recorder.poll() is None:
        if time.monotonic() > give_up_at:
            raise RuntimeError("the virtual sound card does not play")
        time.sleep(0.01)  # the recorder says nothing of when it has begun, nor of where it is


def _described(kind: str, name: str) -> str:
    return f"{kind}_properties=device.description={name}"


def main(command: list[str]) -> int:
    """Run a command with a card of its own; return its exit status."""
    with TemporaryDirectory() as folder:
        card = VirtualSoundCard(Path(folder))
        card.start()
        try:
            return subprocess.run(command, env={**os.environ, **card.environment}, check=False).returncode
        finally:
            card.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [os.environ.get("SHELL", "sh")]))
