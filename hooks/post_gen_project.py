"""Make the new project a git repository and say what to type next. No network, no installs.

Runs inside the new folder. Writes .git; the first commit only where git knows who commits.
"""

import json
import subprocess

SLUG = json.loads(r"""{{ cookiecutter | tojson }}""")["project_slug"]
COMMIT = ["commit", "--quiet", "--no-verify", "-m", "Project from the template"]


def git(*args: str) -> str | None:
    """Run git; its complaint, or None when it did what was asked."""
    try:
        done = subprocess.run(["git", *args], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "git is not installed"
    return None if done.returncode == 0 else done.stderr.strip() or f"git {args[0]} failed"


def main() -> None:
    """Initialize, stage, commit; then the next commands."""
    steps = [f"cd {SLUG}"]
    # the option of `git init` for the branch is younger than this configuration key
    complaint = git("-c", "init.defaultBranch=main", "init", "--quiet") or git("add", "--all")
    if complaint:
        print(f"No git repository was made: {complaint}")
        steps += ["git init -b main", "git add --all", "git commit -m 'Project from the template'"]
    elif git("-c", "user.useConfigOnly=true", *COMMIT):
        print("Everything is staged; the first commit waits until git knows who you are:")
        steps += ['git config user.name "Your Name"', "git config user.email you@your.domain"]
        steps += ["git commit -m 'Project from the template'"]
    steps += [
        "make setup",
        "make flow        # the demo data; or first make adopt DATA=your.csv TARGET=column",
    ]
    print("Next:", *steps, sep="\n  ")


if __name__ == "__main__":
    main()
