"""Many tables: answered as requests are, in parts that are done once, with a manifest last."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML
from starlette.testclient import TestClient

from ml.errors import UserError
from ml.scale.store import Store
from ml.serving.api.app import create_app
from ml.standalone import score_part, score_plan
from ml.standalone.score_folder import Share, plan_scores, planned, score_parts
from ml.standalone.score_plan import Plan
from tests.conftest import HERE, full_disk
from tests.scale.conftest import wait_for
from tests.scale.tasks import Here
from tests.serving.conftest import CLASSIFICATION, point, settings_of
from tests.standalone.conftest import ROWS, written

Stamps = dict[str, tuple[int, int]]


def scored(source: str = "in", target: str = "out", **how: Any) -> bool:
    """Score in this process."""
    return score_parts(plan_scores(source, target, replace=False, **how), Here(), 60)


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest, each of whose files is there as it says."""
    manifest: dict[str, Any] = json.loads((folder / "_manifest.json").read_text())
    for part in manifest["parts"]:
        content = (folder / part["file"]).read_bytes()
        assert (part["bytes"], part["sha256"]) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
        )
        assert part["rows"] == len(pd.read_parquet(folder / part["file"]))
    assert manifest["rows"] == sum(part["rows"] for part in manifest["parts"])
    return manifest


def stamps(folder: Path) -> Stamps:
    """Number and moment of each file of answers: of a file that was written again both differ."""
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in folder.glob("*.parquet")}


def online(project: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What POST /predict answers."""
    with TestClient(create_app(settings_of(project))) as client:
        answers: list[dict[str, Any]] = client.post("/predict", json=rows).json()
    return answers


def assert_same(found: pd.DataFrame, answers: list[dict[str, Any]]) -> None:
    """The answers of a table are those of requests, bit by bit."""
    assert found["prediction"].tolist() == [answer["prediction"] for answer in answers]
    for name in CLASSIFICATION.target.classes:
        given = pd.Series([answer["probabilities"][name] for answer in answers])
        assert given.astype("float32").to_numpy().tobytes() == (
            found[f"probability:{name}"].to_numpy().tobytes()
        )


def test_a_folder_is_answered_as_requests_are(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(score_part, "ROWS", 64)
    monkeypatch.setattr(score_plan, "PART_ROWS", 100)
    written(project / "in/b/large.parquet", ROWS[:250], row_group_size=60)
    written(project / "in/a.parquet", ROWS[250:])
    (project / "in/_notes.parquet").write_text("not a table")
    assert scored()
    manifest = manifest_of(project / "out")
    names = [part["file"].rpartition("-")[0] for part in manifest["parts"]]
    assert names == ["a", "b/large.00000", "b/large.00001", "b/large.00002"]
    assert manifest["version"] == "1"
    found = pd.concat([pd.read_parquet(project / "out" / p["file"]) for p in manifest["parts"]])
    assert_same(found, online(project, [*ROWS[250:], *ROWS[:250]]))
    assert len(pd.read_parquet("out")) == 300  # readers of a folder see the answers alone
    assert "parts done: 4 of 4, by version 1" in capsys.readouterr().out


def test_what_is_done_is_not_done_again(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        written(project / f"in/{name}.parquet", ROWS[:20])
    assert scored()
    before = stamps(project / "out")
    written(project / "in/c.parquet", ROWS[20:30])
    (gone,) = (project / "out").glob("b-*.parquet")
    gone.unlink()  # its receipt alone is not enough
    assert scored("in/*.parquet")
    after = stamps(project / "out")
    assert len(after) == 3
    assert {name for name in before if after[name] == before[name]} == set(before) - {gone.name}
    assert "parts done: 3 of 3, 1 of them before" in capsys.readouterr().out
    assert manifest_of(project / "out")["rows"] == 50


def test_a_mistake_in_one_table_does_not_hold_up_the_others(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(project / "in/a.parquet", ROWS[:20])
    written(project / "in/b.parquet", [{**ROWS[0], "plan": "gold"}])
    with pytest.raises(UserError, match=r'b.parquet: rows from 0: column "plan": 1 of 1 values'):
        scored()
    assert "parts done: 1 of 2" in capsys.readouterr().out
    assert not (project / "out/_manifest.json").exists()
    before = stamps(project / "out")
    written(project / "in/b.parquet", ROWS[:1])
    assert scored()
    assert before.items() <= stamps(project / "out").items()
    assert manifest_of(project / "out")["rows"] == 21


def test_a_full_disk_holds_up_what_finds_no_room_and_leaves_no_half_file(project: Path) -> None:
    written(project / "in/a.parquet", ROWS[:3])
    assert scored()
    before = stamps(project / "out")
    written(project / "in/b.parquet", ROWS)
    plan = plan_scores("in", "out", replace=False)
    with (
        full_disk(next((project / "out").glob("a-*")).stat().st_size),
        pytest.raises(UserError, match=r"out/b-\w+.parquet: the disk is full") as told,
    ):
        score_parts(plan, Here(), 60)
    assert told.value.then == "free some space, then the same command again"
    assert stamps(project / "out") == before
    assert not list((project / "out").rglob("*.draft"))
    assert scored()
    assert before.items() <= stamps(project / "out").items()
    assert manifest_of(project / "out")["rows"] == 303


def test_answers_of_another_model_are_not_mixed(project: Path) -> None:
    written(project / "in/a.parquet", ROWS[:20])
    assert scored()
    point(project, "2")
    with pytest.raises(UserError, match="answers by another model") as raised:
        scored()
    assert "--replace" in raised.value.then
    manifest_of(project / "out")  # all is as it was
    plan = plan_scores("in", "out", replace=True)
    assert not (project / "out/_manifest.json").exists()
    assert score_parts(plan, Here(), 60)
    assert set(pd.read_parquet("out")["model_version"]) == {"2"}
    (project / "out/foreign.parquet").write_bytes(b"")
    with pytest.raises(UserError, match="which ml score did not write"):
        plan_scores("in", "out", replace=True)


def test_a_worker_with_other_code_or_a_changed_table_answers_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = written(project / "in/a.parquet", ROWS[:20])
    plan = plan_scores("in", "out", replace=False)
    monkeypatch.setattr(score_part, "code_now", lambda: "other")
    with pytest.raises(UserError, match="other code or other libraries than the plan"):
        score_parts(plan, Here(), 60)
    monkeypatch.undo()
    monkeypatch.chdir(project)
    written(table, ROWS[:21])
    with pytest.raises(UserError, match="was changed since the plan was made"):
        score_parts(plan, Here(), 60)
    assert not list((project / "out").rglob("*a-*"))
    score_part._model.cache_clear()
    written(table, ROWS[:20])
    plan = plan_scores("in", "out", replace=False)
    (project / "out/_model" / plan.model / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match="not the model that was planned"):
        score_parts(plan, Here(), 60)


def test_what_cannot_be_planned_is_told(project: Path) -> None:
    with pytest.raises(UserError, match="there is no Parquet file"):
        scored()
    written(project / "in/a.parquet", ROWS[:20])
    with pytest.raises(UserError, match="lies where the answers go"):
        scored("in", ".")
    (project / "in/b.parquet").write_text("no")
    with pytest.raises(UserError, match="not a Parquet file"):
        scored()
    pd.DataFrame({"plan": ["basic"]}).to_parquet("in/b.parquet")
    with pytest.raises(UserError, match='there is no column "monthly charge"'):
        scored()
    written(project / "in/b.parquet", ROWS[:1])
    with pytest.raises(UserError, match="there is no plan"):
        planned("in", "out")
    assert not (project / "out").exists()
    plan = plan_scores("in", "out", replace=False)
    assert planned("in", "out") == plan
    with pytest.raises(UserError, match="the plan is of file:///"):
        planned("in/a.parquet", "out")


@pytest.mark.parametrize("text", ["8/8", "3", "-1/8", "a/b", "1/0"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="no share of the parts"):
        Share.parse(text)


def test_s3_is_a_folder_like_any_other(project: Path, s3: dict[str, str]) -> None:
    for name in ("a", "deep/b"):
        written(project / f"in/{name}.parquet", ROWS[:20])
    assert scored()
    bucket = Store("s3://tables")
    for name in ("a", "deep/b"):
        bucket.write(f"in/{name}.parquet", (project / f"in/{name}.parquet").read_bytes())
    assert scored("s3://tables/in", "s3://tables/out/")
    Store("s3://tables/out").fetch("", project / "fetched")
    manifest = manifest_of(project / "fetched")
    assert [part["rows"] for part in manifest["parts"]] == [20, 20]
    assert_same(
        pd.read_parquet(project / "fetched" / manifest["parts"][0]["file"]),
        online(project, ROWS[:20]),
    )
    before = moments(bucket)
    assert scored("s3://tables/in/**/*.parquet", "s3://tables/out/")
    assert moments(bucket) == before
    with pytest.raises(UserError, match="s3://nobody/in"):
        scored("s3://nobody/in", "s3://tables/other")


def moments(bucket: Store) -> dict[str, Any]:
    """When each file of answers was put."""
    bucket.system.invalidate_cache()
    found = bucket.system.find("tables/out", detail=True)
    return {name: info["LastModified"] for name, info in found.items() if "-" in name}


@pytest.mark.slow
def test_the_pods_of_an_indexed_job_share_the_parts_and_one_is_killed(project: Path) -> None:
    """The Job's own command, once for each index, and again for the one that was killed."""
    table = written(project / "in/00.parquet", ROWS)
    for i in range(1, 31):
        shutil.copy(table, project / f"in/{i:02}.parquet")
    plan = plan_scores("in", "out", replace=False)
    pods = [pod(project, index) for index in range(2)]
    wait_for(lambda: receipts(project, plan, 0))
    os.killpg(pods[0].pid, signal.SIGKILL)  # command and worker process together
    assert "parts done: 15 of 15" in pods[1].communicate(timeout=120)[0]
    pods[0].communicate()
    before = {
        name: stamps(project / "out")[f"{name}.parquet"] for name in receipts(project, plan, 0)
    }
    assert 0 < len(before) < 16
    assert not (project / "out/_manifest.json").exists()
    again = pod(project, 0)
    said = again.communicate(timeout=120)[0]
    assert again.returncode == 0
    assert f"parts done: 16 of 16, {len(before)} of them before" in said
    after = stamps(project / "out")
    assert all(after[f"{name}.parquet"] == stamp for name, stamp in before.items())
    assert len({part["sha256"] for part in manifest_of(project / "out")["parts"]}) == 1
    assert len(after) == 31


def receipts(project: Path, plan: Plan, share: int) -> list[str]:
    """The parts of a share of two that are done."""
    folder = project / "out/_parts"
    return [part.name for part in plan.parts[share::2] if (folder / f"{part.name}.json").exists()]


def pod(project: Path, index: int) -> subprocess.Popen[str]:
    """The command of deploy/kubernetes/score with two in place of eight shares."""
    job = YAML(typ="safe").load(HERE / "deploy/kubernetes/score/job.yaml")["spec"]
    (container,) = job["template"]["spec"]["containers"]
    *shell, line = container["command"]
    share = f"$JOB_COMPLETION_INDEX/{job['completions']}"
    assert share in line
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    where = {"SCORE_SOURCE": "in", "SCORE_TARGET": "out", "PATH": path, "PYTHONPATH": str(HERE)}
    return subprocess.Popen(
        [*shell, line.replace(share, "$JOB_COMPLETION_INDEX/2")],
        cwd=project,
        env={**os.environ, **where, "JOB_COMPLETION_INDEX": str(index)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
