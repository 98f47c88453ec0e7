"""Reads the JSON files that name their own form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_form(path: Path, form: str, version_key: str, kind: str, advice: str) -> dict[str, Any]:
    """The object in `path`, a `form` of version 1.

    `version_key` is the name of its version; `kind` and `advice` say of a file that is not there, or no JSON, what is missing and what
    to do. Raises `ValueError` saying what was found.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: no {kind} here: {error}. {advice}") from error
    if value.get("format") != form or value.get(version_key) != 1:
        raise ValueError(f"{path}: expected an {form} of version 1, found {value.get('format')} {value.get(version_key)}; "
                         "make the run again with this release of albert")
    return value
