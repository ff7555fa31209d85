"""The heavy imports of a `dvc repro`, made once and while the first stages run.

Importing scikit-learn, ONNX and matplotlib takes longer than fitting a small table, and DVC starts
each stage in a process of its own. So the first stage that DVC starts leaves a process behind that
imports what the later ones need, and forks itself for each of them. It imports nothing of `ml`: a
stage runs the code that lies there when it starts. It ends with the DVC that it serves. On Linux
only (a fork is no safe thing elsewhere); ML_EARLY=0 switches it off.

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
import threading
from contextlib import suppress
from pathlib import Path

MODULES = (
    "numpy", "pydantic", "ruamel.yaml", "pandas", "pyarrow.parquet", "sklearn.compose",
    "sklearn.ensemble", "sklearn.impute", "sklearn.linear_model", "sklearn.pipeline",
    "sklearn.preprocessing", "skl2onnx", "onnxruntime", "matplotlib.figure",
    "matplotlib.backends.backend_agg",
)  # fmt: skip
STARTING = ("ingest", "validate", "split")  # stages that import little and start it
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
POLL = 0.2  # seconds between two looks at DVC


def is_possible() -> bool:
    """Whether DVC runs this stage, on Linux."""
    return (
        os.environ.get("ML_EARLY") != "0" and "DVC_STAGE" in os.environ and sys.platform == "linux"
    )


def start() -> None:
    """Leave a process behind that imports; nothing happens where there is one for this DVC."""
    if is_there(os.getppid()):
        return
    null = subprocess.DEVNULL
    command = [sys.executable, "-P", __file__, str(os.getppid())]
    subprocess.Popen(command, stdin=null, stdout=null, stderr=null)


def is_there(dvc: int) -> bool:
    """Whether a process of this user imports for that DVC."""
    with socket.socket(socket.AF_UNIX) as asked, suppress(OSError):
        asked.connect(_address(dvc))
        return _is_own(asked)
    return False


def run(stage: str) -> int | None:
    """Run a stage in a fork of that process: its exit status, or None where there is no process."""
    with socket.socket(socket.AF_UNIX) as asked, suppress(OSError):
        asked.connect(_address(os.getppid()))
        if not _is_own(asked):
            return None
        socket.send_fds(asked, [stage.encode()], [0, 1, 2])
        answer = asked.recv(16)
        return int(answer) if answer else None
    return None


def _address(dvc: int) -> bytes:
    """In Linux's abstract namespace: no file is left, whoever is killed."""
    return f"\0ml-stages-{os.getuid()}-{dvc}".encode()


def _is_own(connection: socket.socket) -> bool:
    """Whether the other end is a process of the same user: anybody may take or ask an address."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


def serve(dvc: int) -> None:
    """Import, then fork for each stage that is asked for, until DVC has ended."""
    with socket.socket(socket.AF_UNIX) as listening:
        try:
            listening.bind(_address(dvc))
        except OSError:  # another stage of the same DVC was first
            return
        listening.listen()
        _import_while(dvc)
        _answer_while(dvc, listening)


def _import_while(dvc: int) -> None:
    importing = threading.Thread(target=_import_all, daemon=True)
    importing.start()
    while importing.is_alive():
        if not _is_alive(dvc):
            return
        importing.join(POLL)


def _import_all() -> None:
    for name in MODULES:
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
    # with the server the stage ends too: its asker runs it again
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
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
    os._exit(0)  # an import may be under way still
