"""Tests of the journal run in the project folder of the serving tests, some with a server."""

from tests.serving.conftest import client, project, row, settings, start

__all__ = ["client", "project", "row", "settings", "start"]
