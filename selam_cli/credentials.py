"""Where the API key comes from; nothing else reads it.

The key comes from the environment. There is no flag for it, for it would stand in the process list.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the handshake carries. Neither value shows in a repr, for a repr ends in logs and tracebacks."""

    api_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def load_credentials(environment: Mapping[str, str] | None = None) -> Credentials:
    """Return the key (`SELAM_API_KEY`) and the service's older JWT (`SELAM_TOKEN`), None where one is not set."""
    environment = os.environ if environment is None else environment
    return Credentials(
        environment.get("SELAM_API_KEY", "").strip() or None, environment.get("SELAM_TOKEN", "").strip() or None
    )
