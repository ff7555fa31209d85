"""What pydantic says of a body that is no JSON or not of the shape that a protocol asks for."""

from __future__ import annotations

from pydantic import ValidationError

from ml.errors import Detail


def json_details(error: ValidationError) -> list[Detail]:
    """The details of a refusal; they name places and never repeat the input."""
    details = []
    for found in error.errors(include_url=False, include_input=False):
        is_json = found["type"] != "json_invalid"
        msg = found["msg"] if is_json else f"not valid JSON: {found['ctx']['error']}"
        place = ".".join(map(str, found["loc"]))
        if is_json and place:
            msg = f"{place}: {msg}"
        details.append({"type": found["type"], "loc": ["body", *found["loc"]], "msg": msg})
    return details
