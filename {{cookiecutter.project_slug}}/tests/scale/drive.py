"""Parts on a Dask scheduler: `python -m tests.scale.drive ADDRESS SECONDS WORD…`.

Prints {"results": {part: result}, "failed": {part: problem}} as JSON, or {"gone": message}.
"""

from __future__ import annotations

import json
import sys

from ml.errors import UserError
from ml.scale.address import executor_at
from ml.scale.part import Part
from ml.scale.run import run_parts
from tests.scale.tasks import task


def main() -> None:
    """Run the parts that the arguments name."""
    address, seconds, *words = sys.argv[1:]
    parts = [Part(f"part-{i}", word) for i, word in enumerate(words)]
    try:
        ended = run_parts(executor_at(address), task, parts, float(seconds), "parts")
    except UserError as error:
        print(json.dumps({"gone": error.what}))
        return
    failed = {outcome.part.name: outcome.answer.problem for outcome in ended.failed}
    print(json.dumps({"results": ended.results, "failed": failed}))


if __name__ == "__main__":
    main()
