"""What the documents and locks say is so."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = "{{cookiecutter.project_slug}}"


def targets(makefile: Path) -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", makefile.read_text(encoding="utf-8"), re.MULTILINE))


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
        "audit.txt",
        "delivery.txt",
        "docs.txt",
        "scale.txt",
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
    for name in ("serving", "pipeline", "scale"):
        assert pins(name)
        assert {
            package: version
            for package, version in pins(name).items()
            if dev.get(package, version) != version
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
