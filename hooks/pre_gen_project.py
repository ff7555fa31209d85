"""Refuse answers that a folder, TOML, YAML, the registry or Docker cannot take.

Cookiecutter runs it first. It reads the answers as data (JSON inside a raw string, where JSON
leaves no quote) and writes nothing.
"""

import json
import re
import sys
import unicodedata

ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")
SLUG = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")
# Unicode categories: control characters, half characters, line breaks
UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}


def problem_of_slug(slug: str) -> str | None:
    """What is wrong with the folder's name, or None."""
    if SLUG.fullmatch(slug) and len(slug) <= 50:
        return None
    return (
        "use 1 to 50 lower case letters and digits, parted by single hyphens or underscores, "
        "e.g. churn-early-warning"
    )


def problem_of_text(text: str, longest: int) -> str | None:
    """What is wrong with a text that people read, or None."""
    if not text.strip() or len(text) > longest:
        return f"use 1 to {longest} characters"
    if any(c in '"\\' or unicodedata.category(c) in UNWRITABLE for c in text):
        return "use one line without double quotes, backslashes and control characters"
    return None


def main() -> None:
    """Print every problem with its answer and stop cookiecutter."""
    problems = {
        "project_name": problem_of_text(ANSWERS["project_name"], 80),
        "project_slug": problem_of_slug(ANSWERS["project_slug"]),
        "description": problem_of_text(ANSWERS["description"], 200),
    }
    for key, problem in problems.items():
        if problem:
            print(f"error: {key} is {json.dumps(ANSWERS[key])[:120]}: {problem}", file=sys.stderr)
    if any(problems.values()):
        sys.exit("Nothing was made. Run cookiecutter again with another answer.")


if __name__ == "__main__":
    main()
