"""What files hold, without secrets: of a check's own files, and of folders that another program wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Text = Callable[[str], str]


def without(data: bytes, *, text: Text, value: Callable[[Any], Any], shown_in_json: Text) -> bytes:
    """A file's content: JSON as an object, other text as text; what is neither (a capture) stays as it is."""
    try:
        found = data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    if "\0" in found:
        return data
    try:
        read = json.loads(found)
    except (ValueError, RecursionError):
        return text(found).encode("utf-8", "backslashreplace")
    kept = value(read)
    return (shown_in_json(found) if kept == read else json.dumps(kept, indent=1) + "\n").encode("utf-8")


def clean_folder(folder: Path, content: Callable[[bytes], bytes]) -> None:
    """Every file of text below a folder without secrets. Links and what is no text go: they cannot be read through."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            path.unlink()
        elif path.is_file():
            data = path.read_bytes()
            if b"\0" in data:
                path.unlink()
            else:
                path.write_bytes(content(data.decode("utf-8", "replace").encode("utf-8")))
