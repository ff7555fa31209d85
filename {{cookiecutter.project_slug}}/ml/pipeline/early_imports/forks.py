"""The heavy imports of a `dvc repro`, made once and while the first stages run.

Importing pandas, scikit-learn, ONNX and matplotlib takes longer than fitting a small table, and DVC
starts each stage in a process of its own. So the first stage that DVC starts leaves a process
behind that imports what reads tables and forks itself for each of the first stages. A fork of it
goes on to what trains, and a fork of that to what draws, each for the stages that need it. They
import nothing of `ml`: a stage runs the code that lies there when it starts. They end with the DVC
that they serve. On Linux only (a fork is no safe thing elsewhere); ML_EARLY=0 switches it off.

Run: by `python -m ml.pipeline.early_imports <stage>` alone.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

LEVELS = {  # modules, each level on top of those before it
    "tables": ("numpy", "pydantic", "ruamel.yaml", "pandas", "pyarrow.parquet"),
    "models": (
        "sklearn.compose", "sklearn.ensemble", "sklearn.impute", "sklearn.linear_model",
        "sklearn.pipeline", "sklearn.preprocessing", "skl2onnx", "onnxruntime",
    ),
    "pictures": ("matplotlib.figure", "matplotlib.backends.backend_agg"),
}  # fmt: skip
LEVEL_OF = {  # of a stage that a person adds: the highest
    "ingest": "tables", "validate": "tables", "split": "tables",
    "train": "models", "evaluate": "pictures", "export": "pictures",
}  # fmt: skip
STARTING = ("ingest", "validate", "split")  # stages that start it; later ones would wait longer
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
POLL = 0.2  # seconds between two looks at DVC
STARTED = 5.0  # seconds within which a process that was started listens


def is_possible() -> bool:
    """Whether DVC runs this stage, on Linux."""
    return (
        os.environ.get("ML_EARLY") != "0" and "DVC_STAGE" in os.environ and sys.platform == "linux"
    )


def start(dvc: int) -> None:
    """Leave the processes behind; nothing happens where they are there for this DVC."""
    if is_there(dvc):
        return
    null = subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(dvc)], stdin=null, stdout=null, stderr=null
    )
    last = time.monotonic() + STARTED
    while not is_there(dvc) and process.poll() is None and time.monotonic() < last:
        time.sleep(0.005)


def is_there(dvc: int) -> bool:
    """Whether a process of this user imports for that DVC."""
    with socket.socket(socket.AF_UNIX) as asked, suppress(OSError):
        asked.connect(_address(dvc, "tables"))
        return _is_own(asked)
    return False


def run(stage: str) -> int | None:
    """Run a stage in a fork of them: its exit status, or None where there is no such process."""
    with socket.socket(socket.AF_UNIX) as asked, suppress(OSError):
        asked.connect(_address(os.getppid(), LEVEL_OF.get(stage, "pictures")))
        if not _is_own(asked):
            return None
        socket.send_fds(asked, [stage.encode()], [0, 1, 2])
        answer = asked.recv(16)
        return int(answer) if answer else None
    return None


def _address(dvc: int, level: str) -> bytes:
    """In Linux's abstract namespace: no file is left, whoever is killed."""
    return f"\0ml-{level}-{os.getuid()}-{dvc}".encode()


def _is_own(connection: socket.socket) -> bool:
    """Whether the other end is a process of the same user: anybody may take or ask an address."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


def serve(dvc: int) -> None:
    """Import level by level; at each, leave a process that forks for its stages until DVC ends."""
    listening = [socket.socket(socket.AF_UNIX) for _ in LEVELS]
    try:
        # the lowest last: whoever sees it sees all
        for level, place in reversed(list(zip(LEVELS, listening, strict=True))):
            place.bind(_address(dvc, level))
            place.listen()
    except OSError:  # another stage of the same DVC was first
        return
    for place, modules in zip(listening, LEVELS.values(), strict=True):
        _import_all(modules)
        if place is listening[-1] or os.fork():
            _close(other for other in listening if other is not place)
            _answer_while(dvc, place)
            return
        _end_with_parent()
        place.close()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _close(sockets: Iterable[socket.socket]) -> None:
    for one in sockets:
        one.close()


def _import_all(modules: tuple[str, ...]) -> None:
    """Without a thread: a fork beside an import may wait for its lock for ever."""
    for name in modules:
        with suppress(ImportError):
            importlib.import_module(name)


def _answer_while(dvc: int, listening: socket.socket) -> None:
    listening.settimeout(POLL)
    while _is_alive(dvc):
        with suppress(TimeoutError):
            asking, _ = listening.accept()
            with asking:
                _answer(asking, listening)


def _answer(asking: socket.socket, listening: socket.socket) -> None:
    name, handles, *_ = socket.recv_fds(asking, 64, 3) if _is_own(asking) else (b"", [])
    if not name:
        return
    child = os.fork()
    if not child:
        listening.close()
        asking.close()
        _become(name.decode(), handles)
    for handle in handles:
        os.close(handle)
    status = _wait(child, asking)
    with suppress(OSError):
        asking.sendall(str(status).encode())


def _become(stage: str, handles: list[int]) -> None:
    """The forked process: run the stage as `python -m` would, and end."""
    _end_with_parent()  # its asker runs the stage again
    for place, handle in enumerate(handles):
        os.dup2(handle, place)
        os.close(handle)
    sys.path.insert(0, str(Path.cwd()))
    status = 1
    try:
        runpy.run_module(f"ml.pipeline.{stage}", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = _status(end.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _status(code: int | str | None) -> int:
    """The exit status of `SystemExit`, whose text Python would print."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return 1
    return code or 0


def _wait(child: int, asking: socket.socket) -> int:
    """The child's exit status; a child whose asker has gone is ended."""
    ended = os.pidfd_open(child)
    readable, _, _ = select.select([ended, asking.fileno()], [], [])
    os.close(ended)
    if ended not in readable:
        os.kill(child, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    serve(int(sys.argv[1]))
    os._exit(0)
