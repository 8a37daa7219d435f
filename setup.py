"""What a wheel holds besides the packages: the example repository and the roles, from the top of the checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_HERE = Path(__file__).parent
_SHIPPED = ("examples", "deploy/rbac")


class Build(build_py):
    """Copies the folders that clusters/files.py finds in a checkout into the package."""

    def run(self) -> None:
        """Build as ever, then copy."""
        super().run()
        for name in _SHIPPED:
            target = Path(self.build_lib, "clusters", "shipped_files", name)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(_HERE / name, target)


setup(cmdclass={"build_py": Build})
