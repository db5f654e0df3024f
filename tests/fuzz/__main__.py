"""`python -m tests.fuzz [TARGET …] [--runs N] [--seed N] [--by …]`: fuzzes until a finding.

With atheris, which is coverage-guided and has wheels for some systems only, and by seeded mutation elsewhere. A finding
is printed as the bytes that make it; `--input HEX` runs a target on them alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

LONGEST = 512
SEEDS = 64


def main() -> int:
    chosen = _arguments()
    if chosen.input is not None:
        _targets()[chosen.target[0]](bytes.fromhex(chosen.input))
        return 0
    if chosen.by == "atheris" and len(chosen.target) == 1:
        return _by_atheris(chosen.target[0], chosen.runs, chosen.seed)
    failed = False
    for name in chosen.target:
        began = time.monotonic()
        if chosen.by == "atheris":  # it ends its process
            own = [sys.executable, "-m", "tests.fuzz", name, "--by", "atheris", "--runs", str(chosen.runs)]
            fine = subprocess.run([*own, "--seed", str(chosen.seed)], check=False).returncode == 0
        else:
            fine = _by_mutation(_targets()[name], chosen.runs, chosen.seed)
        failed = failed or not fine
        print(
            f"{name}: {chosen.runs} inputs in {time.monotonic() - began:.0f} s, {'fine' if fine else 'A FINDING'}",
            flush=True,
        )
    return int(failed)


def _arguments() -> argparse.Namespace:
    names = ("boundary", "sanitiser", "pane", "packets", "sound", "keys")
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", choices=[*names, []])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--by", choices=["atheris", "mutation"], default="atheris" if has_atheris else "mutation")
    parser.add_argument("--input", metavar="HEX")
    chosen = parser.parse_args()
    chosen.target = chosen.target or list(names)
    return chosen


def _targets() -> dict[str, Callable[[bytes], None]]:
    from tests.fuzz.targets import TARGETS  # atheris instruments what is imported after it

    return TARGETS


def _by_atheris(name: str, runs: int, seed: int) -> int:
    import atheris  # where there is one

    with atheris.instrument_imports(include=["selam_cli"]):
        target = _targets()[name]
        target(b"")  # loads what it loads late
    with tempfile.TemporaryDirectory() as folder:
        for number, raw in enumerate(seeds(name, random.Random(seed))):
            (Path(folder) / str(number)).write_bytes(raw)
        options = [
            f"-runs={runs}",
            f"-seed={seed}",
            f"-max_len={LONGEST * (8 if name == 'sound' else 1)}",
            "-print_final_stats=1",
        ]
        options += ["-timeout=20", f"-artifact_prefix={tempfile.gettempdir()}/selam-fuzz-{name}-", "-verbosity=1"]
        atheris.Setup([sys.argv[0], *options, folder], target)
        atheris.Fuzz()
    return 0


def _by_mutation(target: Callable[[bytes], None], runs: int, seed: int) -> bool:
    chance = random.Random(seed)
    known = seeds(target.__name__, chance)
    for number in range(runs):
        raw = mutated(known, chance)
        try:
            target(raw)
        except Exception:  # whatever escapes is a finding
            traceback.print_exc()
            print(f"{target.__name__}, input {number}: --input {raw.hex()}", flush=True)
            return False
        if chance.random() < 0.01:
            known[chance.randrange(len(known))] = raw
    return True


def seeds(name: str, chance: random.Random) -> list[bytes]:
    """Return inputs to begin with: random scripts, and for sound real files."""
    scripts = [chance.randbytes(chance.randrange(4, LONGEST // 2)) for _ in range(SEEDS)]
    if name != "sound":
        return scripts
    from tests.fuzz.sounds import real_sounds  # numpy and soundfile

    return [bytes((0, 0, cut, 1)) + stream for stream in real_sounds() for cut in (3, 200)] + scripts


def mutated(known: list[bytes], chance: random.Random) -> bytes:
    """Return a known input with a few things changed, or two of them joined."""
    raw = bytearray(chance.choice(known))
    for _ in range(1 + chance.randrange(4)):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(5):
            case 0:
                raw[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                raw[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 2:
                del raw[at : at + chance.randrange(1, 17)]
            case 3:
                other = chance.choice(known)
                raw[at:] = other[chance.randrange(len(other) + 1) :]
            case _:
                raw[at:at] = raw[at : at + chance.randrange(1, 33)]
    return bytes(raw[: 8 * LONGEST])


if __name__ == "__main__":
    sys.exit(main())
