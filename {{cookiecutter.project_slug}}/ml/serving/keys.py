"""API keys: who may ask, how often, and how a key is replaced without a restart.

Reads: ML_API_KEYS (keys separated by commas) and the file that ML_API_KEYS_FILE names (one key a line, read again when
it changes). A key is sent as `Authorization: Bearer <key>` or `X-API-Key: <key>`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from pathlib import Path

from starlette.types import Scope

from ml.errors import UserError
from ml.serving.rows import refusal

LOOK_SECONDS = 1.0  # between two looks at the keys' file


class Keys:
    """The accepted keys; none: everybody may ask.

    Args:
        fixed: keys that hold until the process ends.
        file: a file of further keys, or None.
        rate: requests a second of one key in this worker, in bursts of as many; 0: no limit.
    """

    def __init__(self, fixed: tuple[str, ...], file: Path | None, rate: float) -> None:
        self._fixed = {_digest(key.encode()) for key in fixed}
        self._file = file
        self._rate = rate
        self._buckets: dict[bytes, tuple[float, float]] = {}  # digest → (tokens, when)
        self._looked = 0.0
        self._written = -1
        self._digests = set(self._fixed)
        self.needed = bool(fixed) or file is not None

    def check(self, scope: Scope) -> None:
        """Let a request pass.

        Raises:
            RefusedError: 401 without a valid key, 429 when its key has asked too often.
        """
        now = time.monotonic()
        if self._file is not None and now - self._looked > LOOK_SECONDS:
            self._looked = now
            self._read(self._file)
        digest = _digest(_given(scope))
        # compared in constant time: the answer's delay tells nothing about a key
        if not any([hmac.compare_digest(digest, known) for known in self._digests]):  # noqa: C419  # all, always
            raise refusal(
                401,
                "api_key",
                "send a valid key as `Authorization: Bearer <key>` or `X-API-Key: <key>`",
                ("header", "authorization"),
                WWW_Authenticate="Bearer",
            )
        if self._rate:
            self._take(digest, now)

    def _take(self, digest: bytes, now: float) -> None:
        burst = max(1.0, self._rate)
        tokens, when = self._buckets.get(digest, (burst, now))
        tokens = min(burst, tokens + (now - when) * self._rate)
        if tokens < 1:
            wait = str(max(1, round((1 - tokens) / self._rate)))
            raise refusal(429, "rate", f"at most {self._rate:g} requests a second", ("server",), Retry_After=wait)
        self._buckets[digest] = (tokens - 1, now)

    def _read(self, file: Path) -> None:
        try:
            written = file.stat().st_mtime_ns
            if written != self._written:
                lines = file.read_text(encoding="utf-8").split()
                self._digests = self._fixed | {_digest(line.encode()) for line in lines}
                self._written = written
        except OSError:
            return  # being replaced: the keys before hold until it is there again


def load_keys(rate: float) -> Keys:
    """The keys that the environment names.

    Raises:
        UserError: ML_API_KEYS_FILE is not there or holds no key.
    """
    fixed = tuple(key.strip() for key in os.environ.get("ML_API_KEYS", "").split(",") if key.strip())
    named = os.environ.get("ML_API_KEYS_FILE")
    if named:
        file = Path(named)
        if not file.is_file() or not file.read_text(encoding="utf-8").split():
            raise UserError(
                f"ML_API_KEYS_FILE={named}: no file with a key on each line", f"openssl rand -hex 24 > {named}"
            )
    return Keys(fixed, Path(named) if named else None, rate)


def _given(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return bytes(value)
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return bytes(value[7:]).strip()
    return b""


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
