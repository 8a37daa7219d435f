"""A machine with Python alone, as a folder to chroot into: Debian's packages, the wheel, and no checkout.

Debian's releases give the versions of Python, so nothing but its mirror and the package index is needed. Trees and
wheels are kept in the cache outside the checkout; a test gets a copy that it may fill.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters.lab.parts.cache import Slot, cache_root, content_key

ROOT = Path(__file__).resolve().parents[1]
#: The version of Python by the release of Debian that has it.
RELEASES: Mapping[str, str] = {"bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}
USER = 1000
HOME = "/home/me"
_PACKAGES = "python3,python3-venv,ca-certificates"
_RECIPE = 1
_ENTER = (
    'mount --bind /proc "$1/proc" && mount --bind /dev "$1/dev"; exec chroot --userspec="$2:$2" "$1" '
    'sh -c \'cd "$HOME" && exec "$@"\' sh "${@:3}"'
)


@dataclass(frozen=True)
class EmptyRoot:
    """Such a machine. What is run in it sees its files alone; the network is that of `through`, a command's prefix."""

    folder: Path
    python: str
    through: Sequence[str] = ()

    @property
    def home(self) -> Path:
        """The user's home, from outside."""
        return self.folder / HOME.lstrip("/")

    def __call__(
        self, *command: str, user: int = USER, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the user's home, as the user."""
        mounts = ["unshare", "--mount", "bash", "-c", _ENTER, "enter", str(self.folder), str(user)]
        return subprocess.run(
            [*self.through, *mounts, *command],
            input=given, capture_output=True, text=True, check=False, timeout=600,
            env={"PATH": f"{HOME}/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": HOME, "LANG": "C.UTF-8"},
        )  # fmt: skip

    def ok(self, *command: str, user: int = USER) -> str:
        """What a command prints that must succeed."""
        done = self(*command, user=user)
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout


def installed(
    folder: Path, *, release: str = "bookworm", through: Sequence[str] = (), extra: str = ""
) -> EmptyRoot:
    """Such a machine in `folder`, with the wheel of this checkout installed by pip in its user's home. Needs root."""
    python = RELEASES[release]
    tree, wheels = _tree(release), _wheels(python, extra)
    root = folder / "root"
    _do("cp", "--archive", "--reflink=auto", tree / "root", root)
    shutil.copytree(wheels, root / "wheels")
    # What git knows of the checkout, as it is now; a build leaves its traces beside what it builds.
    source = folder / "source"
    known = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True, timeout=60
    )
    for name in filter(lambda one: (ROOT / one).is_file(), known.stdout.split("\0")[:-1]):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    _do(
        Path(sys.executable).with_name("uv"),
        "build",
        "--wheel",
        "--quiet",
        "--out-dir",
        root / "wheels",
        source,
    )
    shutil.rmtree(source)
    home = root / HOME.lstrip("/")
    home.mkdir(parents=True)
    shutil.chown(home, USER, USER)
    made = EmptyRoot(root, python, through)
    made.ok("python3", "-m", "venv", "venv")
    wanted = f"metallb-conformance[{extra}]" if extra else "metallb-conformance"
    made.ok("pip", "install", "--quiet", "--no-index", "--find-links", "/wheels", wanted)
    return made


def _tree(release: str) -> Path:
    slot = Slot(cache_root(), "empty-roots", release, content_key(_RECIPE, _PACKAGES))
    slot.publish(lambda folder: _bootstrap(release, folder), waiting=lambda: None)
    return slot.folder


def _bootstrap(release: str, folder: Path) -> None:
    script = "/usr/share/debootstrap/scripts/sid"
    mirror = "http://deb.debian.org/debian"
    options = ("--variant=minbase", f"--include={_PACKAGES}")
    _do("debootstrap", *options, release, folder / "root", mirror, script)
    for path in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(folder / "root" / path, ignore_errors=True)


def _wheels(python: str, extra: str) -> Path:
    lock = ROOT / "requirements" / f"{extra or 'run'}.txt"
    key = content_key(_RECIPE, python, lock.read_text(encoding="utf-8"))
    slot = Slot(cache_root(), "wheels", f"{lock.stem}-{python}", key)

    def download(folder: Path) -> None:
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download")
        only = ("--require-hashes", "--only-binary=:all:", f"--python-version={python}")
        _do(*pip, *only, "--requirement", lock, "--dest", folder)

    slot.publish(download, waiting=lambda: None)
    return slot.folder


def _do(*command: str | Path) -> None:
    done = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{(done.stdout + done.stderr)[-3000:]}"
