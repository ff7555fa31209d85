"""What `ml replay` was asked for."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

OUTPUTS = Path("reports/replay")
BATCH = 8  # rows of one request


class Options(BaseModel):
    """The options of `ml replay`.

    Args:
        train_first: share of the rows that trains the first version.
        window: rows of a window.
        lag: windows between a window's end and its labels.
        deploy_lag: windows between a promotion and its first answer.
        last: so many windows of the stream, the newest; None: all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_first: float = 0.3
    window: int = 336
    lag: int = 1
    deploy_lag: int = 0
    last: int | None = None
