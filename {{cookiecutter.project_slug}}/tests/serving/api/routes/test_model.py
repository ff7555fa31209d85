"""`/model`: which model answers."""

from __future__ import annotations

from starlette.testclient import TestClient

from tests.serving.conftest import CLASSIFICATION


def test_the_model_tells_its_lineage_and_contract(client: TestClient) -> None:
    model = client.get("/model").json()
    assert model["version"] == "1"
    assert model["lineage"]["git_commit"] == "0" * 40
    assert model["metrics"] == {"roc_auc": 0.9}
    assert [c["name"] for c in model["contract"]["columns"]] == CLASSIFICATION.names
