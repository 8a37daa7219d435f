"""What is written instead: of a secret a mark, of a character that acts instead of being read its escape.

So no text steers what shows it.
"""

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


#: C0 but for newline and tab, DEL and C1; what turns the direction of writing; line ends that are none; what
#: has no width; half of a pair, which no file can hold; and tags, which hide a text within another.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)


def shown(text: str) -> str:
    """`text` with every such character escaped. Newlines and tabs stay; a carriage return before a newline goes."""
    if text.isprintable() and text.isascii():
        return text
    return _ACTING.sub(_escaped, text.replace("\r\n", "\n"))


def shown_in_json(text: str) -> str:
    """JSON text, which means the same afterwards, with these characters as JSON escapes them."""
    return text if text.isascii() and "\x7f" not in text else _ACTING.sub(_escaped_in_json, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped_in_json(found: re.Match[str]) -> str:
    if found[0] == "\r":
        return found[0]  # between values, where it is white space; in a text it is escaped already
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
