"""An open loop: each request is sent when it is due, whether or not those before are answered.

A closed loop waits for the answer before it asks again, so a server that stalls is asked less and
its stall counts as one slow answer (coordinated omission). Here latency runs from the moment when
the request was due, so that everybody who would have waited is counted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import aiohttp
    from numpy.typing import NDArray

CONNECTIONS = 1000  # at most; beyond them a request waits here, which its latency counts
GIVE_UP_SECONDS = 30.0
START_SECONDS = 0.2  # before the first request is due
OK = 200


@dataclass(frozen=True)
class Sent:
    """What became of the requests; arrays (n,) in the order in which they were due.

    Args:
        due: seconds from the beginning.
        latency: seconds from then to the whole answer.
        late: seconds from then until this program got round to it: the generator's own delay.
        status: of the answer; 0 where there was none.
    """

    due: NDArray[np.float64]
    latency: NDArray[np.float64]
    late: NDArray[np.float64]
    status: NDArray[np.int64]


def send(
    url: str,
    bodies: Sequence[bytes],
    due: NDArray[np.float64],
    headers: Mapping[str, str],
    advance: Callable[[int], None] = lambda _: None,
) -> Sent:
    """Post to `url` at each moment of `due`, the bodies in turn.

    Args:
        url: what is asked.
        bodies: JSON, one request each.
        due: ascending moments (n,) in seconds.
        headers: of every request.
        advance: told how many more are done.
    """
    return asyncio.run(_Sender(url, bodies, due, headers, advance).run())


class _Sender:
    def __init__(
        self,
        url: str,
        bodies: Sequence[bytes],
        due: NDArray[np.float64],
        headers: Mapping[str, str],
        advance: Callable[[int], None],
    ) -> None:
        self._url, self._bodies, self._due = url, bodies, due
        self._headers = {"Content-Type": "application/json", **headers}
        self._advance = advance
        self._latency, self._late = np.zeros(len(due)), np.zeros(len(due))
        self._status = np.zeros(len(due), dtype=np.int64)

    async def run(self) -> Sent:
        import aiohttp

        loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        timeout = aiohttp.ClientTimeout(total=GIVE_UP_SECONDS)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as asking,
        ):
            start = loop.time() + START_SECONDS
            for number, moment in enumerate(self._due.tolist()):
                await asyncio.sleep(max(0.0, start + moment - loop.time()))
                asking.create_task(self._ask(session, number, start + moment))
        return Sent(self._due, self._latency, self._late, self._status)

    async def _ask(self, session: aiohttp.ClientSession, number: int, due: float) -> None:
        import aiohttp

        clock = asyncio.get_running_loop().time
        body = self._bodies[number % len(self._bodies)]
        self._late[number] = clock() - due
        try:
            async with session.post(self._url, data=body, headers=self._headers) as answer:
                await answer.read()
                self._status[number] = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass  # no answer: its status stays 0
        self._latency[number] = clock() - due
        self._advance(1)
