"""What may not leave the cluster: secrets, tokens, keys and certificates are replaced before it is kept."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

REDACTED = "<redacted>"

#: Names whose plain text values are taken for secret. References such as `secretName` or `passwordSecret` are
#: objects or end in a word that says they only name something.
_SECRET_NAME = re.compile(
    r"(password|passwd|token|secret|api_?key|private_?key|credential|ca_?bundle|certificate)s?$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # a JSON web token
    r"|-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=[Pp]assword=)\S+|(?<=[Tt]oken=)\S+",
    re.DOTALL,
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def text(value: str) -> str:
    """`value` with tokens, keys, certificates and passwords in it replaced."""
    return _SECRET_TEXT.sub(REDACTED, value)


@lru_cache(maxsize=4096)  # thousands of objects have the same few names
def secret_name(name: str) -> bool:
    """Whether a field, annotation or environment variable of this name is taken to hold a secret."""
    return _SECRET_NAME.search(name.replace("-", "_").rsplit("/", 1)[-1]) is not None


def annotated(found: dict[str, str]) -> dict[str, str]:
    """Annotations without kubectl's copy of the object, secret-looking values replaced."""
    return {
        name: REDACTED if secret_name(name) else text(value)
        for name, value in found.items()
        if name != _LAST_APPLIED
    }


def deep(value: Any) -> Any:
    """A JSON value with every secret-looking text in it replaced, environment variables included."""
    if isinstance(value, dict):
        if set(value) == {"name", "value"} and isinstance(value["value"], str) and secret_name(value["name"]):
            return {"name": value["name"], "value": REDACTED}
        return {
            key: REDACTED if isinstance(inner, str) and inner and secret_name(key) else deep(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [deep(inner) for inner in value]
    return text(value) if isinstance(value, str) else value
