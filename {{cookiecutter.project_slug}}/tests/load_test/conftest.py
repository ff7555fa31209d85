"""A released project with a server."""

from tests.serving.conftest import project, start

__all__ = ["project", "start"]
