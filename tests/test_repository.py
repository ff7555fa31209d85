"""What the documents, locks and workflows say is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

PROJECT = "{{cookiecutter.project_slug}}"
WORKFLOWS = [".github/workflows", f"{PROJECT}/.github/workflows"]


def targets(makefile: Path) -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", makefile.read_text(encoding="utf-8"), re.MULTILINE))


def workflows(template: Path) -> list[Path]:
    return [path for folder in WORKFLOWS for path in sorted((template / folder).glob("*.yml"))]


def texts(tracked: list[Path]) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8", errors="replace") for path in tracked}


def words_after_make(text: str) -> set[str]:
    return set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("document", "makefile"),
    [
        ("README.md", [f"{PROJECT}/Makefile", "Makefile"]),
        ("CONTRIBUTING.md", ["Makefile"]),
        (f"{PROJECT}/README.md", [f"{PROJECT}/Makefile"]),
    ],
)
def test_commands_in_documents_are_make_targets(
    template: Path, document: str, makefile: list[str]
) -> None:
    known = set().union(*(targets(template / name) for name in makefile))
    named = words_after_make((template / document).read_text(encoding="utf-8"))
    assert named
    assert named <= known


@pytest.mark.parametrize("folder", ["", PROJECT])
def test_the_tree_in_the_readme_is_the_tree(
    template: Path, tracked: list[Path], folder: str
) -> None:
    root = template / folder
    text = (root / "README.md").read_text(encoding="utf-8")
    (tree,) = (block for block in text.split("```")[1::2] if "\nMakefile " in block)
    named = {line.split()[0].rstrip("/") for line in tree.strip().splitlines() if line[0] != " "}
    there = {path.relative_to(root).parts[0] for path in tracked if path.is_relative_to(root)}
    # by the first commands of a new project
    made = {"contract.yaml", "ledger.jsonl", "metrics", "data"} if folder else set()
    unlisted = {
        "README.md",
        *([".gitattributes", ".gitignore", ".dvcignore", ".dockerignore"] if folder else []),
    }
    assert named - made == there - unlisted - made


def test_workflow_steps_are_make_targets(template: Path) -> None:
    for path in workflows(template):
        makefile = path.parents[2] / "Makefile"
        commands = re.findall(r"run: (.*)", path.read_text(encoding="utf-8"))
        assert commands
        assert {command.removeprefix("make ") for command in commands} <= targets(makefile), path


def test_workflows_are_valid(template: Path) -> None:
    files = [str(path) for path in workflows(template)]
    tool = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        *files,
    ]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_invalid_workflow_would_be_seen(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("on: push\njobs:\n  a:\n    steps: []\n")
    tool = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        str(broken),
    ]
    assert subprocess.run(tool, capture_output=True, check=False).returncode != 0


def dependabots(template: Path) -> list[Path]:
    return [template / ".github/dependabot.yml", template / PROJECT / ".github/dependabot.yml"]


def test_dependabot_files_are_valid_and_name_folders_that_are_there(template: Path) -> None:
    for file in dependabots(template):
        tool = [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.dependabot",
            str(file),
        ]
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        updates = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))["updates"]
        assert {update["package-ecosystem"] for update in updates} == {
            "github-actions",
            "pip",
            "docker",
        }
        for update in updates:
            assert update["cooldown"]["default-days"] >= 7
            assert (file.parents[1] / update["directory"].strip("/")).is_dir(), update


def test_a_run_on_main_is_never_cancelled(template: Path) -> None:
    for path in workflows(template):
        group = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))["concurrency"]
        assert group["cancel-in-progress"] == "${{ github.ref != 'refs/heads/main' }}", path


def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    tool = [
        str(Path(sys.executable).with_name("zizmor")),
        "--offline",
        "--pedantic",
        "--no-progress",
    ]
    return subprocess.run([*tool, *map(str, paths)], capture_output=True, text=True, check=False)


def test_workflows_are_safe(template: Path) -> None:
    done = zizmor(*workflows(template), *dependabots(template))
    assert done.returncode == 0, done.stdout


def test_an_unsafe_workflow_would_be_seen(template: Path, tmp_path: Path) -> None:
    text = workflows(template)[-1].read_text(encoding="utf-8")
    unsafe = tmp_path / "ci.yml"
    unsafe.write_text(re.sub(r"@[0-9a-f]{40}.*", "@main", text))
    assert zizmor(unsafe).returncode != 0


def test_no_registry_and_no_path_of_a_machine_is_tracked(
    template: Path, tracked: list[Path]
) -> None:
    host = re.compile(r"(?:python" "hosted|py" "pi|npm" "js)[.](?:org|com)")
    home = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/\w")
    found = [
        f"{path.relative_to(template)}: {match[0]}"
        for path, text in texts(tracked).items()
        for pattern in (host, home)
        for match in pattern.finditer(text)
    ]
    assert not found


def test_locks_have_hashes_and_no_addresses(template: Path) -> None:
    locks = [*template.glob("requirements/*.txt"), *template.glob(f"{PROJECT}/requirements/*.txt")]
    assert {path.name for path in locks} == {
        "template.txt",
        "bootstrap.txt",
        "serving.txt",
        "pipeline.txt",
        "dev.txt",
        "clients.txt",
        "explainers.txt",
    }
    for path in locks:
        text = path.read_text(encoding="utf-8")
        assert "://" not in text, path
        pins = [block for block in re.split(r"\n(?=\S)", text.strip()) if not block.startswith("#")]
        assert pins
        assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == [], path


def test_locks_agree_with_each_other(template: Path) -> None:
    def pins(name: str) -> dict[str, str]:
        text = (template / PROJECT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))

    dev = pins("dev")
    for name in ("serving", "pipeline"):
        assert pins(name)
        assert {
            package: version for package, version in pins(name).items() if dev[package] != version
        } == {}


def test_every_requirement_is_locked(template: Path) -> None:
    for wish in [
        *template.glob("requirements/*.in"),
        *template.glob(f"{PROJECT}/requirements/*.in"),
    ]:
        lock = wish.with_suffix(".txt").read_text(encoding="utf-8").lower()
        names = re.findall(r"^([a-zA-Z][\w.-]*)", wish.read_text(encoding="utf-8"), re.MULTILINE)
        assert names
        for name in names:
            assert re.search(
                rf"^{re.escape(name.lower().replace('.', '-'))}==", lock, re.MULTILINE
            ), f"{wish}: {name}"


def test_no_environment_is_tracked_even_as_a_link(template: Path) -> None:
    command = ["git", "ls-files", "--", ".venv", "build"]
    listed = subprocess.run(command, cwd=template, capture_output=True, text=True, check=True)
    assert listed.stdout == ""
    names = {".venv", "build"}
    command = ["git", "check-ignore", "--no-index", *names]
    listed = subprocess.run(command, cwd=template, capture_output=True, text=True, check=False)
    assert set(listed.stdout.split()) == names


def test_scripts_are_executable(tracked: list[Path]) -> None:
    scripts = [path for path in tracked if path.read_bytes()[:2] == b"#!"]
    assert scripts
    assert [path for path in scripts if not path.stat().st_mode & 0o111] == []


def test_caches_stay_out_of_the_template(template: Path) -> None:
    """Make's variables keep the tools' caches out of the folder that cookiecutter copies."""
    names = ("RUFF_CACHE_DIR", "MYPY_CACHE_DIR", "HYPOTHESIS_STORAGE_DIRECTORY")
    ask = "include Makefile\nask:\n" + "".join(f"\t@echo $${name}\n" for name in names)
    tool = ["make", "--no-print-directory", "-f", "-", "ask"]
    done = subprocess.run(tool, cwd=template, input=ask, capture_output=True, text=True, check=True)
    folders = [Path(line) for line in done.stdout.splitlines()]
    assert len(folders) == len(names)
    assert all(folder.is_relative_to(template / "build") for folder in folders)
