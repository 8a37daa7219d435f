"""One kubeconfig, read as typed records: whatever is in the file, what comes out is them or one sentence.

And the other files that a login is made of: read whole or not at all, and known again when they change.

https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clusters import bounds, yaml_text
from clusters.api.errors import KubeconfigInvalid
from clusters.yaml_text import NotYaml

#: Deeper than any kubeconfig (a cluster's extensions are the deepest), and far from what the parser bears.
_DEPTH = 50
#: With what aliases stand for written out, a long text as several; 500 contexts with their certificates have 50,000.
_VALUES = 100_000
_LINE = 128
#: What PyYAML raises for a scalar that is not what its tag says, besides its own errors.
_ODD = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_SECTIONS = ("contexts", "clusters", "users")

#: What tells one state of a file from the next; None where there is no file.
Signature = tuple[tuple[int, int, int] | None, ...]

Record = TypeVar("Record", bound=BaseModel)
Named = Mapping[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:
        """A field that is null is not there, as for kubectl."""
        if not isinstance(content, dict):
            return content
        return {str(key): value for key, value in content.items() if value is not None}


class Context(_Strict):
    """Which cluster as which user. Its namespace is nothing to this suite, which names one in each request."""

    cluster: str = ""
    user: str = ""


class Cluster(_Strict):
    """The way to an API server."""

    server: str = ""
    tls_server_name: str = Field("", alias="tls-server-name")
    insecure: bool = Field(default=False, alias="insecure-skip-tls-verify")
    authority: str = Field("", alias="certificate-authority")
    authority_data: str = Field("", alias="certificate-authority-data", repr=False)
    proxy: str = Field("", alias="proxy-url", repr=False)
    extensions: Any = None


class Variable(_Strict):
    """One more variable of a login command's environment."""

    name: str
    value: str = Field("", repr=False)


class LoginCommand(_Strict):
    """A program that gives the credentials, `exec` in the file."""

    model_config = ConfigDict(extra="forbid")

    command: str
    api_version: str = Field(alias="apiVersion")
    args: list[str] | None = Field(None, repr=False)
    env: list[Variable] | None = Field(None, repr=False)
    install_hint: str = Field("", alias="installHint")
    provide_cluster: bool = Field(default=False, alias="provideClusterInfo")
    interactive: str = Field("", alias="interactiveMode")


class User(_Strict):
    """As whom. What is not listed here would make another login of it, so that it is refused and not ignored."""

    model_config = ConfigDict(extra="forbid")

    certificate: str = Field("", alias="client-certificate")
    certificate_data: str = Field("", alias="client-certificate-data", repr=False)
    key: str = Field("", alias="client-key")
    key_data: str = Field("", alias="client-key-data", repr=False)
    token: str = Field("", repr=False)
    token_file: str = Field("", alias="tokenFile")
    username: str = ""
    password: str = Field("", repr=False)
    impersonate: str = Field("", alias="as")
    impersonate_uid: str = Field("", alias="as-uid")
    impersonate_groups: list[str] | None = Field(None, alias="as-groups")
    impersonate_extra: dict[str, list[str]] | None = Field(None, alias="as-user-extra")
    login_command: LoginCommand | None = Field(None, alias="exec")
    auth_provider: Any = Field(None, alias="auth-provider")
    extensions: Any = None


class _Loader(yaml_text.LOADER):  # type: ignore[misc]  # one of two classes, by what the system has
    """YAML without what only makes trouble here: dates that are no dates, and merge keys, which multiply."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name, of the class
        first: [(tag, rule) for tag, rule in rules if tag.rpartition(":")[2] not in {"timestamp", "merge"}]
        for first, rules in yaml_text.LOADER.yaml_implicit_resolvers.items()
    }

    def flatten_mapping(self, node: Any) -> None:
        """Leave a mapping as it is."""


class File:
    """One kubeconfig on disk: its entries by section and name, undecoded until one of them is asked for."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self.path = path
        self.current = _text(path, content, "current-context")
        self.sections: dict[str, dict[str, Named]] = {key: _entries(path, content, key) for key in _SECTIONS}

    @classmethod
    def read(cls, path: Path) -> File:
        """The file's entries. Raises KubeconfigInvalid for whatever is no kubeconfig."""
        content = _content(path)
        if not isinstance(content, dict) or not ({*_SECTIONS, "current-context"} & content.keys()):
            raise KubeconfigInvalid(f"The file {path} is not a kubeconfig: it has no contexts.")
        return cls(path, content)

    def record(self, section: str, name: str, kind: type[Record]) -> Record:
        """One entry, `section` being "users", "clusters" or "contexts". Raises KubeconfigInvalid."""
        inner = section.removesuffix("s")
        content = self.sections[section][name].get(inner)
        where = f"The kubeconfig {self.path}, {inner} {name!r}"
        if content is not None and not isinstance(content, dict):
            raise KubeconfigInvalid(f"{where}: its field {inner!r} must be a mapping, not {_kind(content)}.")
        try:
            return kind.model_validate(content or {})
        except (ValidationError, RecursionError) as error:
            raise KubeconfigInvalid(f"{where}: {_why(error)}.") from None


def _content(path: Path) -> Any:
    text = _load(path)
    try:
        _check_size(path, text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise KubeconfigInvalid(f"The kubeconfig {path}{line} is not YAML.") from None
    except _ODD:
        raise KubeconfigInvalid(
            f"The kubeconfig {path} is not YAML: it has a value that cannot be read."
        ) from None


def _load(path: Path) -> str:
    try:
        return read_credential(path, bounds.KUBECONFIG_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise KubeconfigInvalid(f"The kubeconfig {path} cannot be read: {why_unreadable(error)}.") from None


def _check_size(path: Path, text: str) -> None:
    """Look at the file without building anything of it: depth overthrows the loader, and aliases multiply."""
    try:
        yaml_text.measure(text, deepest=_DEPTH, most=_VALUES, weigh=lambda found: 1 + len(found) // _LINE)
    except NotYaml as refused:
        raise KubeconfigInvalid(f"The file {path} is not a kubeconfig: {refused}.") from None


def _text(path: Path, content: Mapping[str, Any], key: str) -> str:
    found = content.get(key)
    if found is not None and not isinstance(found, str):
        raise KubeconfigInvalid(f"The kubeconfig {path}: {key!r} must be text, not {_kind(found)}.")
    return found or ""


def _entries(path: Path, content: Mapping[str, Any], section: str) -> dict[str, Named]:
    found = content.get(section)
    if found is None:
        return {}
    if not isinstance(found, list):
        raise KubeconfigInvalid(f"The kubeconfig {path}: {section!r} must be a list, not {_kind(found)}.")
    for number, entry in enumerate(found, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise KubeconfigInvalid(
                f"The kubeconfig {path}: entry {number} of {section!r} must be a mapping with a 'name' that is text."
            )
    twice = [name for name, count in Counter(entry["name"] for entry in found).items() if count > 1]
    if twice:
        raise KubeconfigInvalid(
            f"The kubeconfig {path} has more than one entry named {twice[0]!r} in {section!r}.",
            remedy="Remove or rename all but one: nobody can say which is meant.",
        )
    return {entry["name"]: entry for entry in found}


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number"}
    return names.get(type(value), type(value).__name__)


def _why(error: ValidationError | RecursionError) -> str:
    """The first thing that is wrong with an entry, without its value."""
    if isinstance(error, RecursionError):
        return "it contains itself"
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:80]
    if first["type"] == "extra_forbidden":
        return f"it has the field {field!r}, which this suite does not know and must not ignore in a login"
    if first["type"] == "missing":
        return f"its field {field!r} is missing"
    return f"its field {field!r} {_WANTED.get(first['type'], 'is not what it must be')}"


_WANTED = {
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "string_unicode": "must be text",
}


def read_credential(path: Path, limit: int = bounds.CREDENTIAL_BYTES) -> bytes:
    """What is in a regular file of at most `limit` bytes. Raises OSError or ValueError."""
    # A pipe is opened as if somebody wrote to it: it is refused afterwards, and must not be waited for.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it is larger than {bounds.size(limit)}")
    return content


def why_unreadable(error: Exception) -> str:
    """The reason that `read_credential`, or decoding what it gave, failed for, as the end of a sentence."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not text"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def signature(paths: Iterable[Path]) -> Signature:
    """How the files are now: a kubelet replaces a link, others write anew, and both change it."""
    return tuple(_signature(path) for path in paths)


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
