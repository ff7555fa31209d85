"""API keys: who may ask, how often, and how a key is replaced without a restart.

Reads: ML_API_KEYS (keys separated by commas) and the file that ML_API_KEYS_FILE names (one key a
line, lines that begin with `#` are comments; read again when it changes). ML_LABEL_KEYS and
ML_LABEL_KEYS_FILE: the same for `/labels`.
A key is sent as `Authorization: Bearer <key>` or `X-API-Key: <key>`.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ml.errors import RefusedError, UserError, refusal

API_KEYS, LABEL_KEYS = "ML_API_KEYS", "ML_LABEL_KEYS"
MIN_LENGTH = 16  # characters: 64 bits where they are hexadecimal, too many to try
LOOK_SECONDS = 1.0  # between two looks at the keys' file
# other characters are encoded in a header by each client in its own way
VISIBLE_ASCII = re.compile("[!-~]+")

# what examples and forms hold in the place of a key, and one sign eight times over
PLACEHOLDER = re.compile(
    r"change.?me|replace.?(me|this)|place.?holder|your.?(own|api|secret|key|token)|example"
    r"|password|^<.*>$|^\{\{.*\}\}$|^\$\{.*\}$|(?P<sign>.)(?P=sign){7}|12345678|abcdefgh|qwertyui",
    re.IGNORECASE,
)

logger = logging.getLogger(__name__)


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
        self._looked = float("-inf")
        self._stamp: tuple[int, ...] = ()  # of the file when it was read
        self._reported = ""
        self._digests = set(self._fixed)
        self.needed = bool(fixed) or file is not None
        self.on_file_failure: Callable[[], None] = lambda: None

    def check(self, fields: Mapping[bytes, bytes]) -> None:
        """Check the key in these header fields.

        Raises:
            RefusedError: 401 without a valid key, 429 when its key has asked too often.
        """
        now = time.monotonic()
        if self._file is not None and now - self._looked > LOOK_SECONDS:
            self._looked = now
            self._read(self._file)
        digest = _digest(_sent_key(fields))
        # compared in constant time: the answer's delay tells nothing about a key
        if not any([hmac.compare_digest(digest, known) for known in self._digests]):  # noqa: C419  # all, always
            raise _no_valid_key()
        if self._rate:
            self._spend_token(digest, now)

    def _spend_token(self, digest: bytes, now: float) -> None:
        burst = max(1.0, self._rate)
        tokens, when = self._buckets.get(digest, (burst, now))
        tokens = min(burst, tokens + (now - when) * self._rate)
        if tokens < 1:
            raise _too_often(self._rate, (1 - tokens) / self._rate)
        self._buckets[digest] = (tokens - 1, now)

    def _read(self, file: Path) -> None:
        """Take the file's keys when it has changed.

        A key that is gone from the file is refused from now on, whatever the other lines hold.
        Where the file cannot be read (it may be about to be replaced), the earlier keys stay valid.
        """
        try:
            stamp = _stamp_of(file)
            if stamp == self._stamp:
                return
            keys, faults = parse_key_file(file)
            self._digests = self._fixed | {_digest(key.encode()) for key in keys}
            self._stamp = stamp
        except (OSError, UnicodeDecodeError) as error:
            faults = [f"{type(error).__name__}: its last keys still hold"]
        self._report(file, faults)

    def _report(self, file: Path, faults: list[str]) -> None:
        for _ in faults:
            self.on_file_failure()
        text = "; ".join(faults)
        # a lasting failure is logged once and counted at each look
        if text and text != self._reported:
            logger.error("key file %s: %s", file, text)
        self._reported = text


def _stamp_of(file: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced."""
    status = file.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _no_valid_key() -> RefusedError:
    return refusal(
        401,
        "api_key",
        "send a valid key as `Authorization: Bearer <key>` or `X-API-Key: <key>`",
        ("header", "authorization"),
        WWW_Authenticate="Bearer",
    )


def _too_often(rate: float, seconds: float) -> RefusedError:
    wait = str(max(1, round(seconds)))
    return refusal(
        429, "rate", f"at most {rate:g} requests a second", ("server",), Retry_After=wait
    )


def load_keys(rate: float, variable: str = API_KEYS) -> Keys:
    """The keys of an environment variable and of the file that `<variable>_FILE` names.

    Raises:
        UserError: a key that is too short, is a placeholder or holds white space, or a file that is
            not there or holds no key.
    """
    fixed = _environment_keys(variable)
    named = os.environ.get(f"{variable}_FILE")
    if named:
        _check_key_file(Path(named), f"{variable}_FILE={named}")
    return Keys(fixed, Path(named) if named else None, rate)


def first_key() -> str:
    """A key for a client on this machine, of ML_API_KEYS or its file; empty without keys."""
    named = os.environ.get(f"{API_KEYS}_FILE")
    keys = [*_environment_keys(API_KEYS), *(parse_key_file(Path(named))[0] if named else [])]
    return keys[0] if keys else ""


def _environment_keys(variable: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in os.environ.get(variable, "").split(",") if key.strip())
    for number, key in enumerate(keys, start=1):
        if fault := _fault(key):
            raise UserError(
                f"{variable}: key {number} of {len(keys)}: {fault}",
                f"{variable}=$(openssl rand -hex 24)",
            )
    return keys


def parse_key_file(file: Path) -> tuple[list[str], list[str]]:
    """The keys of a file, and what is wrong in its other lines, without the text of a line.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    keys, faults = [], []
    for number, key in _lines_of(file):
        if fault := _fault(key):
            faults.append(f"line {number}: {fault}")
        else:
            keys.append(key)
    return keys, faults


def _lines_of(file: Path) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines that are neither empty nor comments."""
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text


def _check_key_file(file: Path, named: str) -> None:
    try:
        keys, faults = parse_key_file(file)
    except UnicodeDecodeError:
        keys, faults = [], ["not UTF-8 text"]
    except OSError as error:
        keys, faults = [], [f"no file with a key on each line: {error.strerror}"]
    if not keys and not faults:
        faults = ["no file with a key on each line: it holds none"]
    if faults:
        raise UserError(f"{named}: {faults[0]}", f"openssl rand -hex 24 > {file}")


def _fault(key: str) -> str | None:
    """What is wrong with a key; the text does not repeat the key."""
    if not VISIBLE_ASCII.fullmatch(key):
        return (
            "white space or a character that is not ASCII in a key "
            "(a comment has a line of its own, behind #)"
        )
    if len(key) < MIN_LENGTH:
        return f"a key of {len(key)} characters; at least {MIN_LENGTH} are needed"
    if PLACEHOLDER.search(key):
        return "a placeholder, which others know too; a key is drawn at random"
    return None


def _sent_key(fields: Mapping[bytes, bytes]) -> bytes:
    key = fields.get(b"x-api-key")
    if key is None:
        scheme, _, key = fields.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return b""
    return key.strip()


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
