"""A PostgreSQL server of the tests' own, and a standby beside it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from ml.journal.schema import LABELS, PREDICTIONS
from ml.journal.store import Journal

PROGRAMS = max(
    Path("/usr/lib/postgresql").glob("*/bin"),
    default=Path(shutil.which("initdb") or "/none").parent,
)
needs_postgresql = pytest.mark.skipif(
    not (PROGRAMS / "initdb").is_file(), reason="PostgreSQL is not installed"
)


class Database:
    """A PostgreSQL server in a folder; as root, which it refuses, it runs as its own user.

    Args:
        folder: with a short path, which others may look into: it holds a socket.
        port: on loopback; 0: it answers on the socket alone.
        primary: the server whose standby it is; None: it is a primary.
    """

    def __init__(self, folder: Path, port: int = 0, primary: Database | None = None) -> None:
        self.folder, self.port = folder, port
        self.url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        if primary is None:
            self._run("initdb", *_NEW)
        else:
            source = f"host=127.0.0.1 port={primary.port} user=postgres"
            self._run("pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "-d", source)

    def start(self, **settings: str) -> None:
        """Answer on the folder's socket, and on loopback if there is a port."""
        settings = {
            "listen_addresses": "127.0.0.1" if self.port else "",
            "unix_socket_directories": str(self.folder),
            **settings,
        }
        if self.port:
            settings["port"] = str(self.port)
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--wait", "--log", log, "--options", options)

    def stop(self, how: str = "fast") -> None:
        """Stop: fast, or immediate as after a crash."""
        self._run("pg_ctl", "stop", "--wait", "--mode", how)

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "promote", "--wait")

    def _run(self, program: str, *options: str) -> None:
        command = [str(PROGRAMS / program), f"--pgdata={self.folder / 'data'}", *options]
        done = subprocess.run(
            command,
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()


def copy_answers(source: Journal, target: Journal) -> None:
    """Copy answers and labels, in place of those that are in the target."""
    with source.engine.connect() as reading, target.engine.begin() as writing:
        for table in (PREDICTIONS, LABELS):
            rows = [dict(row._mapping) for row in reading.execute(table.select())]
            writing.execute(table.delete())
            writing.execute(table.insert(), rows)


_NEW = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
