"""Values made from bytes: the same bytes make the same value, and a changed byte makes a slightly different one."""

from __future__ import annotations

SCRAPS = (
    "", "a", " ", "\n", "\r\n", "\x1b[2J", "\x1b]8;;", "\x07", "\x9b", "\x85", "\x00", "\x7f", "ሰላም", "[bold]",
    "[/]", "\\x1b", "\u202e", "\u2066", "\u200b", "\u200c", "\u200d", "\ufe0f", "\ufe00", "\u00ad", "\ud83d",
    "\ude00", "😀", "👩🏽", "\u0335", "\u0e49", "\u1161", "\u094d", "\u062a", "\ue000", "\U000e0041", "\U0010ffff",
    "\ufffe", "\u2028", "e\u0301", "authentication_error", "session_error: ", "sk-selam-test-1", "api_key=",
    "{'type': 'audio_error'}", '{"message": 1}', "idle", "0", "-1", "1e9", "pcm16", "mp3", "audio/mpeg; x",
    "AAAA", "AQ==", "SUQz", "…",
)  # fmt: skip
EVENTS = (
    "connected", "session_started", "transcription", "response", "audio_chunk", "audio_end", "control_ack",
    "session_ended", "error", "start_session", "control", "end_session", "unknown",
)  # fmt: skip
FIELDS = (
    "text", "is_final", "sid", "voice", "message", "session_id", "id", "audio", "format", "sample_rate",
    "total_chunks", "action", "status", "type", "code", "error", "data", "language", "instructions",
    "vad_threshold", "interrupt_threshold", "_placeholder", "num",
)  # fmt: skip
NUMBERS: tuple[object, ...] = (
    0, 1, -1, 8, 600, 16_000, 16_000.0, 2**31, 2**53, 2**64, -(2**63), 10**50, 1e300, 0.5, float("nan"),
    float("inf"), -0.0, True, False, None,
)  # fmt: skip


class Script:
    """Reads values off bytes, from the front; when they have run out, everything is the simplest there is."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    @property
    def over(self) -> bool:
        return self._at >= len(self._raw)

    def number(self, below: int) -> int:
        if self.over:
            return 0
        self._at += 1
        return self._raw[self._at - 1] % below

    def rest(self) -> bytes:
        rest, self._at = self._raw[self._at :], len(self._raw)
        return rest

    def bytes(self) -> bytes:
        size = self.number(64)
        taken = self._raw[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def text(self) -> str:
        pieces = [self._scrap() for _ in range(self.number(10))]
        return "".join(pieces) * (1, 1, 1, 1, 1, 1, 6, 40)[self.number(8)]

    def _scrap(self) -> str:
        kind = self.number(8)
        if kind < 5:
            return SCRAPS[self.number(len(SCRAPS))]
        if kind == 5:
            return chr(self.number(256))
        if kind == 6:
            return chr(self.number(256) << 8 | self.number(256))
        return chr((self.number(17) << 16 | self.number(256) << 8 | self.number(256)) % 0x110000)

    def value(self, depth: int = 4) -> object:
        kind = self.number(12)
        if kind < 5 or depth == 0:
            return self.text()
        if kind < 7:
            return NUMBERS[self.number(len(NUMBERS))]
        if kind == 7:
            return self.bytes()
        if kind == 8:
            return [self.value(depth - 1) for _ in range(self.number(5))]
        return self.fields(depth - 1)

    def fields(self, depth: int = 3) -> dict[str, object]:
        named = {}
        for _ in range(self.number(6)):
            name = FIELDS[self.number(len(FIELDS))] if self.number(8) else self.text()
            named[name] = self.value(depth)
        return named

    def event(self) -> str:
        return EVENTS[self.number(len(EVENTS))] if self.number(16) else self.text()
