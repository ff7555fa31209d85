"""A served project, as the tests of the service have it."""

from __future__ import annotations

from tests.serving.conftest import project, start

__all__ = ["project", "start"]
