"""Loading the bundle that a link points to, whenever the link changes.

`ml release`, `ml rollback` and `ml pull` move serving/champion. The new model is verified and
warmed beside the old one and only then takes traffic; a request is answered by the model it began
with. A bundle that is not sound changes nothing but a counter and a line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from ml.bundle import Bundle, load_bundle
from ml.errors import UserError
from ml.seal.manifest import MANIFEST_FILE
from ml.seal.signature import SIGNATURE_FILE, keys_changed

EVERY_SECONDS = 0.2  # between two looks at the link

log = logging.getLogger(__name__)

# where the link points, and when manifest, signature and public keys came to their places
State = tuple[str, tuple[int, ...]]


def state(link: Path) -> State:
    """What distinguishes one release under the link from another, or from the same with other keys.

    A release that was refused is tried again when it gets its signature, or the keys' file its key.
    """
    folder = link.resolve()
    when = [_changed(folder / name) for name in (MANIFEST_FILE, SIGNATURE_FILE)]
    return str(folder), (*when, keys_changed())


def _changed(path: Path) -> int:
    """The time of change in nanoseconds, since a copy may keep the time of writing; 0: no file."""
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0


async def follow(
    link: Path,
    seen: State | None,
    use: Callable[[Bundle | None], None],
    refused: Callable[[], None],
) -> None:
    """Look at the link forever; hand over each sound bundle, and None when the link is gone.

    Args:
        link: serving/champion, or another folder or link.
        seen: the state of the bundle that serves now, if one does.
        use: called in the event loop with a verified bundle, or None.
        refused: called in the event loop when a bundle is not sound.
    """
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        current = state(link)
        if current == seen:
            continue
        seen = current
        if not link.exists():
            use(None)
        elif bundle := await _sound_bundle(link):
            use(bundle)
        else:
            refused()


async def _sound_bundle(link: Path) -> Bundle | None:
    try:
        return await asyncio.get_running_loop().run_in_executor(None, load_bundle, link)
    except UserError as error:
        log.error("the model before goes on serving: %s", error.what)
        return None
