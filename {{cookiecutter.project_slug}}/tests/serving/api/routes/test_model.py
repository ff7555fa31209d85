"""`/model`: which model answers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from starlette.testclient import TestClient

from ml.serving.api.app import create_app
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION


def test_the_model_tells_its_lineage_and_contract(client: TestClient) -> None:
    model = client.get("/model").json()
    assert model["version"] == "1"
    assert model["lineage"]["git_commit"] == "0" * 40
    assert model["metrics"] == {"roc_auc": 0.9}
    assert [c["name"] for c in model["contract"]["columns"]] == CLASSIFICATION.names


def test_the_card_is_a_page_or_markdown(project: Path, settings: Settings) -> None:
    folder = project / "serving" / "releases" / "1"
    (folder / "card.html").write_text("<!doctype html><p>card", encoding="utf-8")
    (folder / "card.md").write_text("# card", encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name in ("card.html", "card.md"):
        manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with TestClient(create_app(settings)) as client:
        page = client.get("/model/card")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert page.text == "<!doctype html><p>card"
        for asked in ({"params": {"format": "md"}}, {"headers": {"Accept": "text/markdown"}}):
            markdown = client.get("/model/card", **asked)  # type: ignore[arg-type]
            assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
            assert markdown.text == "# card"
        refused = client.get("/model/card", params={"format": "pdf"})
        assert (refused.status_code, refused.json()["detail"][0]["type"]) == (422, "format")


def test_a_release_without_a_card_says_so(client: TestClient) -> None:
    answer = client.get("/model/card")
    assert answer.status_code == 404
    assert answer.json()["detail"][0]["msg"] == "the release that answers has no model card"
