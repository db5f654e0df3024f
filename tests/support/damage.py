"""Files as a download that broke off, or a mistake, leaves them."""

import numpy as np


def damage_file(path, damage):
    """Damage a file: "truncated", "of noise" or "empty"."""
    match damage:
        case "truncated":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "of noise":
            path.write_bytes(np.random.default_rng(1).bytes(100_000))
        case "empty":
            path.write_bytes(b"")
        case _:
            raise ValueError(damage)
