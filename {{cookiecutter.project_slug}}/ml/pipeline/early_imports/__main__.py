"""`python -m ml.pipeline.early_imports <stage>`: as dvc.yaml runs a stage.

`python -m ml.pipeline.<stage>` runs the same stage in this very process.
"""

from __future__ import annotations

import os
import runpy
import sys

from ml.pipeline.early_imports import forks


def main(stage: str) -> int:
    """Run the stage; its exit status."""
    if forks.is_possible():
        if stage in forks.STARTING:
            forks.start(os.getppid())
        status = forks.run(stage)
        if status is not None:
            return status
    runpy.run_module(f"ml.pipeline.{stage}", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
