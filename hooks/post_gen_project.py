"""Make the new project a git repository and say what to type next. No network, no installs.

Runs inside the new folder. Writes .git; the first commit only where git knows who commits.
"""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")


def git(*args: str) -> str | None:
    """Run git; its complaint, or None when it did what was asked."""
    try:
        done = subprocess.run(["git", *args], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "git is not installed"
    return None if done.returncode == 0 else done.stderr.strip() or f"git {args[0]} failed"


def template_commit() -> str:
    """The template's commit, with which `cruft link` begins; empty where there is none."""
    if "_commit" in ANSWERS:  # cruft says it, cookiecutter leaves its clone
        return str(ANSWERS["_commit"])[:12]
    clone = Path(ANSWERS.get("_repo_dir", "."), ".git")
    if not clone.exists() or not shutil.which("git"):
        return ""
    asked = ["git", "--git-dir", str(clone), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def is_throwaway() -> bool:
    """Whether cruft renders only to compare: `cruft diff` prints differences, nothing else."""
    folder = Path.cwd().parent
    is_temporary = folder.parent == Path(tempfile.gettempdir()).resolve()
    return is_temporary and "_commit" in ANSWERS and bool(re.match(r"tmp\w{8}$", folder.name))


def make_repository() -> tuple[str, list[str]]:
    """Initialize, stage, commit; what is left to do and why, and its commands."""
    commit = template_commit()
    message = f"Project from the template at {commit}" if commit else "Project from the template"
    typed = f"git commit -m '{message}'"
    # the option of `git init` for the branch is younger than this configuration key
    complaint = git("-c", "init.defaultBranch=main", "init", "--quiet") or git("add", "--all")
    if complaint:
        return f"No git repository was made: {complaint}", [
            "git init -b main",
            "git add --all",
            typed,
        ]
    known = ("-c", "user.useConfigOnly=true")
    if git(*known, "commit", "--quiet", "--no-verify", "-m", message):
        return "Everything is staged; the first commit waits until git knows who you are:", [
            'git config user.name "Your Name"',
            "git config user.email you@your.domain",
            typed,
        ]
    return "", []


def main() -> None:
    """Make the repository; print the next commands."""
    note, commands = make_repository()
    if is_throwaway():
        return
    if note:
        print(note)
    first = "make flow        # the demo data; or first make adopt DATA=your.csv TARGET=column"
    print("Next:", f"cd {ANSWERS['project_slug']}", *commands, "make setup", first, sep="\n  ")


if __name__ == "__main__":
    main()
