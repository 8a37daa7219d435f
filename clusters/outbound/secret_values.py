"""Whether what stands behind the name of a secret is one: not every value is."""

from __future__ import annotations

import re

from clusters.outbound.secret_names import Holds
from clusters.outbound.secret_shapes import from_base64

_NOTHING = re.compile(
    r"(?:|true|false|null|nil|none|~|yes|no|on|off|string|unset|empty|hidden"
    r"|[(\[]?redacted[)\]]?|[*.x]{3,}|<[a-z _-]{1,40}>|<redacted(?::[0-9a-f]{8})?>[,;.]?"
    r"|\$\{[\w.:-]{1,100}\}|\$\([^()]{1,200}\)|\$[A-Z_]{1,60}|\{\{[^{}]{1,200}\}\})",
    re.IGNORECASE,
)
#: Words that messages about a token or a Secret go on with after a colon.
_WORDS_OF_MESSAGES = (
    "expired invalid missing required failed cannot couldn't unable unauthorized forbidden permission denied timeout "
    "x509 tls http http2 net/http read write open stat illegal malformed unknown unsupported error errors server "
    "lookup i/o the no it its is was there must may only name names reference references a an and of for in on as to "
    "from with by never always see use used each all every whose where when what which who they this"
)  # fmt: skip
#: How such a message begins. A password may be a sentence, so for one it does not count.
_MESSAGE = re.compile(
    r"(?:not found|no such|context (?:deadline|canceled)|connection|dial|unexpected|EOF|Get \"|Post \"|timed out"
    r"|could not|rpc error|(?:secret|serviceaccount|configmap|pod|node|user|token)s? \\*\""
    rf"|(?:{'|'.join(map(re.escape, _WORDS_OF_MESSAGES.split()))})(?=[\s,:]))"
)
#: A word, a number, an address, a path: what a name that may hold a secret has where it holds none.
_ORDINARY = re.compile(
    r"(?:[A-Z]?[a-z]*+(?:[A-Z]{1,3}[a-z]*+)?+|[a-z]++(?:[-,][a-z]++)*+|[a-z0-9]++(?:-[a-z0-9]++)*+\.[a-z0-9.-]++(?::\d++)?"
    r"|[a-z-]{1,20}:\d{1,5}|(?:oauth|ipv|v|md|sha|scram-sha-|ntlmv|kerberos|auth)\d{1,3}|[A-Z,]++|\d[\d.:]*+|[0-9a-fA-F:.]++|/[\w./*-]*+"
    r"|https?://[^\s@]*+|system:[\w:.-]++|\[?[0-9a-fA-F:.]++\]?:\d++)"
)
_HEX = re.compile(r"[0-9a-f]{16,}")
#: A namespace and a name: of a Secret, not what it holds.
_REFERENCE = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def nothing(value: str) -> bool:
    """Whether a value is none, or only stands for one: `null`, `${PASSWORD}`, `<redacted>`."""
    return _NOTHING.fullmatch(value) is not None


def ordinary(value: str) -> bool:
    """Whether a value can only be a word, a number, an address or a path."""
    if len(value) >= 40 or not _ORDINARY.fullmatch(value) or _HEX.fullmatch(value):
        return False
    return not any(":" in text for text in from_base64(value))


def kept_in_text(value: str, holds: Holds, *, message: bool = False, anything: bool = False) -> bool:
    """Whether what stands behind a name in a text is no secret after all.

    `message` says that it may be the rest of a sentence, `anything` that whatever it is is taken for a secret.
    """
    if nothing(value) or nothing(value.strip(",;}]) ")):
        return True
    if anything:
        return False
    if holds is Holds.MAYBE:
        return ordinary(value.strip(",:;.}])"))
    if holds is Holds.LONG:
        return len(value) < 40 or " " in value or value.startswith(("/", "./"))
    if holds is Holds.SECRET:
        return (message and _MESSAGE.match(value) is not None) or _REFERENCE.fullmatch(value) is not None
    return False


def kept_in_object(value: str, holds: Holds) -> bool:
    """Whether a field's text is no secret after all. A field is no sentence, so fewer are kept than in a text."""
    if nothing(value) or holds is Holds.NOTHING:
        return True
    if holds is Holds.MAYBE:
        return ordinary(value)
    return holds is Holds.LONG and (len(value) < 40 or value.startswith("/")) and "BEGIN" not in value
