"""When a server that takes no more requests wants to be asked again.

Source: RFC 9110, 10.2.3 (seconds or a date), and `retry-after-ms`, which OpenAI's servers add.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds to wait, 0 for a moment that is past; None where the server names none that can be read.

    A date is measured by the server's own clock where it sends one, because ours may be wrong.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", milliseconds):
        return float(milliseconds) / 1_000
    said = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", said):
        return float(said)
    until = _moment(said)
    if until is None:
        return None
    return max(0.0, (until - (_moment(headers.get("Date", "")) or now)).total_seconds())


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def in_words(seconds: float) -> str:
    """Return a wait as the end of "Try again …"."""
    if seconds <= 90:
        return f"in {max(1, round(seconds))} s"
    if seconds <= 90 * 60:
        return f"in {round(seconds / 60)} minutes"
    return "later"
