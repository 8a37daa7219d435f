"""Writing one file into a git repository as a commit of its own: the one place that changes a repository.

The commit is made of git's own objects: no hook, filter, signature or merge takes part, the working tree is left alone,
of the index only the file's own entry follows, and nothing is pushed.
"""

from __future__ import annotations

from pathlib import Path

from clusters.gitops.git import Git, NoHistory

_BRANCH = "refs/heads/"
#: What git writes for a ref that is not to exist.
_NONE = "0" * 40


def add_file(path: Path, data: bytes, message: str, *, branch: str = "") -> str:
    """Commit `path` with `data` on top of HEAD, and return the commit's hash.

    The branch that is checked out moves on to it, or a new one called `branch` begins with it. Raises NoHistory, with
    the one reason: not in a repository, edits that are not committed, a branch that is there, nobody's name to commit
    with.
    """
    git = Git(path.parent)
    if git.status(path.name).strip("\0"):
        raise NoHistory(f"{path} has edits that are not committed.", remedy="Commit or undo them first.")
    top = Path(git.text("rev-parse", "--show-toplevel").rstrip("\n"))
    head = git.text("rev-parse", "--verify", "HEAD^{commit}").strip()
    name = path.relative_to(top.resolve()).as_posix()
    old = git.text("ls-tree", "-z", "HEAD", "--", path.name).strip("\0")
    if not old:
        raise NoHistory(f"{path} is not committed yet.", remedy="Commit it first.")
    mode = old.partition(" ")[0]
    blob = git.output("hash-object", "-w", "--stdin", given=data).decode().strip()
    tree = _tree_with(Git(top), head, name.split("/"), f"{mode} blob {blob}")
    commit = git.output("commit-tree", "--no-gpg-sign", tree, "-p", head, given=message.encode("utf-8"))
    made = commit.decode().strip()
    if branch:
        _begin(git, branch, made)
    else:
        git.output("update-ref", "-m", "stamp", "HEAD", made, head)
        Git(top).output("update-index", "--cacheinfo", f"{mode},{blob},{name}")
    return made


def _begin(git: Git, branch: str, commit: str) -> None:
    git.output("check-ref-format", f"{_BRANCH}{branch}")
    if git.text("for-each-ref", f"{_BRANCH}{branch}").strip():
        raise NoHistory(f"The branch {branch} exists.", remedy="Name another one, or remove it.")
    git.output("update-ref", "-m", "stamp", f"{_BRANCH}{branch}", commit, _NONE)


def _tree_with(git: Git, revision: str, parts: list[str], file: str) -> str:
    """The hash of the tree of `revision` with another file at `parts`; `file` is as git lists it: mode, kind and hash.

    The trees on the way to it are written anew.
    """
    name, *below = parts
    listed = [entry for entry in git.output("ls-tree", "-z", revision).split(b"\0") if entry]
    there = {entry.partition(b"\t")[2]: entry.partition(b"\t")[0].decode() for entry in listed}
    own = name.encode()
    if below:
        file = f"040000 tree {_tree_with(git, there[own].split(' ')[2], below, file)}"
    kept = [entry for entry in listed if entry.partition(b"\t")[2] != own]
    return (
        git.output("mktree", "-z", given=b"\0".join([*kept, f"{file}\t{name}".encode()]) + b"\0")
        .decode()
        .strip()
    )
