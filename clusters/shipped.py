"""Folders that come with the suite and are no Python: at the top of a checkout, or inside the installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "shipped_files"
#: The root of a checkout; only meant where nothing was installed.
_CHECKOUT = _PACKAGE.parent


def folder(name: str) -> Path:
    """`examples/platform` (the example repository) or `deploy/rbac` (the roles), wherever they are here."""
    return (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT) / name
