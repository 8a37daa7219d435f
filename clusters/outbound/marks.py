"""What stands in the place of a secret."""

from __future__ import annotations

import re
import secrets
from hashlib import blake2b

REDACTED = "<redacted>"


_ANY_MARK = re.compile(r"<redacted:[0-9a-f]{8}>")


def same_marks(text: str) -> str:
    """A text in which all marks are the same, as a person reads it."""
    return _ANY_MARK.sub(REDACTED, text)


class Mark:
    """The same for every secret, so that nothing is told of it, not even whether it changed."""

    def text(self, secret: str) -> str:  # noqa: ARG002 - see SameMark
        """What is written instead of a text."""
        return REDACTED

    def number(self, secret: float) -> int:  # noqa: ARG002 - see SameMark
        """What is written instead of a number."""
        return 0


class SameMark(Mark):
    """The same for the same secret, so that what is rendered and what is live can still be told apart.

    The key is made anew for each object of this class and kept nowhere: nobody finds a secret by trying.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def text(self, secret: str) -> str:
        """What is written instead of a text: `<redacted:0123abcd>`."""
        return f"<redacted:{self._digest(secret)}>"

    def number(self, secret: float) -> int:
        """What is written instead of a number."""
        return int(self._digest(repr(secret)), 16)

    def _digest(self, secret: str) -> str:
        data = secret.encode("utf-8", "surrogatepass")
        return blake2b(data, key=self._key, digest_size=4).hexdigest()
