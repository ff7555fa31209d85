"""Faults of disk and registry as a `UserError`: file or address, what is wrong, what to do."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml.errors import UserError, disk_full, is_disk_full
from ml.release.relocate import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
KNOWN_FAULTS = (  # in sqlite's or MLflow's message, in lower case; what is wrong; what to do
    (
        "database is locked",
        "another program keeps it locked",
        "end that program (`fuser {at}` names it)",
    ),
    ("readonly database", "it cannot be written", "make it writable (`ls -l {at}`)"),
    (
        "unable to open database",
        "it cannot be opened or written",
        "make it writable (`ls -l {at}`)",
    ),
    ("file is not a database", "it is not a database", "put a copy of it from before here"),
    (
        "out-of-date database schema",
        "it was made by another release of MLflow",
        "mlflow db upgrade sqlite:///{at}",
    ),
    (
        "error responses",  # before "max retries exceeded", which stands in the same message
        "the server answers with errors",
        "look into its log",
    ),
    (
        "max retries exceeded",
        "the server does not answer",
        "start it, or correct MLFLOW_TRACKING_URI",
    ),
)


@contextmanager
def translate_faults(command: str) -> Iterator[None]:
    """Turn a fault into a `UserError` that ends in `command`.

    Raises:
        UserError: the disk is full or cannot be written, the registry is locked or does not answer.
    """
    try:
        yield
    except Exception as error:
        # asked first, because an error of requests is an OSError as well
        if _comes_from_registry(error):
            raise _registry_error(error, command) from error
        if is_disk_full(error):
            raise disk_full(error, command) from error
        if isinstance(error, OSError):
            raise _disk_error(error, command) from error
        raise


def _comes_from_registry(error: Exception) -> bool:
    """Whether MLflow, its database or its client raised it.

    By the name of the module, because MLflow takes seconds to import.
    """
    return type(error).__module__.split(".")[0] in ("mlflow", "requests", "sqlalchemy", "sqlite3")


def _registry_error(error: Exception, command: str) -> UserError:
    at, text = _registry_address(), _one_line(error)
    if is_disk_full(error):
        return disk_full(error, command, at)
    for words, wrong, remedy in KNOWN_FAULTS:
        if words in text.lower():
            return UserError(f"{at}: {wrong}", f"{remedy.format(at=at)}, then {command}")
    return UserError(f"{at}: {text}", f"mend that, then {command}")


def _disk_error(error: OSError, command: str) -> UserError:
    if isinstance(error, shutil.Error):  # of copytree: a list of (source, target, reason)
        _, path, reason = error.args[0][0]
        return UserError(f"{path}: {reason}", f"make it writable, then {command}")
    wrong, remedy = _disk_fault(error)
    path = error.filename2 or error.filename or Path.cwd()
    return UserError(f"{path}: {wrong}", f"{remedy}, then {command}")


def _disk_fault(error: OSError) -> tuple[str, str]:
    """What is wrong and what to do."""
    if error.errno in NOT_WRITABLE:
        return f"cannot be written: {error.strerror}", "make it writable"
    return str(error.strerror or error), "mend that"


def _registry_address() -> str:
    """The registry's file or address, without a password."""
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    parts = urlsplit(given)
    if not given or parts.scheme == "sqlite":
        return given.removeprefix("sqlite:///") or str(DATABASE)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _one_line(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:300]
