"""Secrets that are known by how they look, whatever stands before them: keys, tokens, credentials in an URL.

Every pattern begins with something short, ends where its characters end and never fails after a long run, so
that the time grows with the length of a text alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

Hide = Callable[[str], str]

_PEM = (
    r"-{4,5} ?BEGIN [A-Z0-9 ]{1,40}-{4,5}"
    r"(?:[A-Za-z0-9+/=\s\\:,.\"'|>(){}@<]++|-(?!----))*+(?:-{4,5} ?END [A-Z0-9 ]{1,40}-{4,5})?"
)
#: Tokens that begin with a word of their own: what has to be in a text before it is looked for, and how it goes
#: on. Sources: what the services say of their own tokens.
_SHAPES = tuple(
    (sign, re.compile(pattern))
    for sign, pattern in (
        ("BEGIN ", _PEM),
        ("eyJ", r"eyJ[A-Za-z0-9_-]{14,}+(?:\.[A-Za-z0-9_-]*+)*+"),  # JSON web tokens, base64 of any JSON object
        ("gh", r"gh[pousr]_[A-Za-z0-9]{16,}+"), ("github_pat_", r"github_pat_\w{16,}+"),
        ("gl", r"gl(?:pat|ptt|dt|rt|cbt|ft|oas|soat|imt|agent|ffct)-[\w.-]{10,}+|gl(?:c|sa)_\w{16,}+"),
        ("GR1348941", r"GR1348941[\w-]{10,}+"),
        ("xox", r"xox[abeoprs][-.][\w.-]{8,}+"), ("xapp-", r"xapp-\d-[\w-]{8,}+"),
        ("hooks.slack.com/", r"hooks\.slack\.com/[\w/-]{8,}+"),
        ("/api/webhooks/", r"/api/webhooks/[\w/-]{8,}+"),
        ("webhook.office.com/", r"webhook\.office\.com/[\w/@-]{8,}+"),
        ("AIza", r"AIza[\w-]{30,}+"), ("ya29.", r"ya29\.[\w-]{10,}+"), ("GOCSPX-", r"GOCSPX-[\w-]{10,}+"),
        ("1//0", r"1//0[\w-]{30,}+"),
        *((sign, rf"{sign}[A-Z0-9]{{12,}}+") for sign in ("AKIA", "ASIA", "AROA", "AIDA", "ABIA", "ACCA", "AGPA")),
        *((sign, rf"{sign}[A-Z0-9]{{12,}}+") for sign in ("ANPA", "ANVA", "APKA")),
        ("8Q~", r"[\w~.-]{3}8Q~[\w~.-]{20,}+"),
        ("npm_", r"npm_\w{20,}+"), ("pypi-", r"pypi-[A-Za-z0-9][\w-]{16,}+"),
        ("rubygems_", r"rubygems_[a-f0-9]{32,}+"), ("dckr_", r"dckr_[po]at_[\w-]{10,}+"),
        ("hv", r"hv[sbr]\.[\w-]{16,}+"), ("s.", r"\bs\.[A-Za-z0-9]{24}\b"),
        (".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{20,}+"), ("_v1_", r"do[oprt]_v1_[a-f0-9]{32,}+"),
        ("k_", r"[srpw]k_(?:live|test|prod)_\w{8,}+"), ("whsec_", r"whsec_[\w+/]{16,}+"),
        ("SG.", r"SG\.[\w-]{16,}+\.[\w-]*+"), ("key-", r"key-[0-9a-f]{32}"),
        ("SK", r"\bSK[0-9a-f]{32}\b"), ("sk-", r"\bsk-[A-Za-z0-9][\w-]{18,}+"), ("hf_", r"\bhf_[A-Za-z]{30,}+"),
        ("shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"), ("dapi", r"dapi[a-f0-9]{32}"),
        ("PMAK-", r"PMAK-[\w-]{20,}+"), ("pul-", r"pul-[a-f0-9]{40}"),
        ("dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{16,}+"),
        ("AT", r"AT(?:ATT|CTT|BB)[\w=-]{16,}+"), ("NRAK-", r"NRAK-[A-Z0-9]{20,}+"),
        ("sntry", r"sntry[su]_[\w=+/-]{16,}+"), ("tskey-", r"tskey-[\w-]{10,}+"),
        ("AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[A-Z0-9]{20,}+"), ("nfp_", r"nfp_\w{20,}+"),
        ("pscale_", r"pscale_(?:tkn|pw|oauth)_[\w-]{16,}+"), ("sbp_", r"sbp_[a-f0-9]{20,}+"),
        ("sq0", r"sq0(?:atp|csp|idp)-[\w-]{16,}+"), ("lin_api_", r"lin_api_\w{20,}+"),
        ("ntn_", r"ntn_\w{20,}+"), ("secret_", r"secret_[A-Za-z0-9]{32,}+"), (":AA", r"\b\d{8,10}:AA[\w-]{30,}+"),
        ("fo1_", r"fo1_[\w-]{20,}+"), ("K10", r"K10[a-f0-9]{40,}+::[\w:.-]++"),
        ("PuTTY-User-Key-File", r"PuTTY-User-Key-File[^\n]*+"),
        ("$", r"\$(?:apr1|2[abxy]?|[156y]|argon2i?d?|scrypt|pbkdf2[\w-]{0,20})\$[./A-Za-z0-9$=,+*-]{10,}+"),
        ("SHA", r"\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{16,}+"),
    )
)  # fmt: skip
#: kubeadm's tokens, from their middle on: a text has to be looked through for them in no time. The events of an object
#: with a name of six letters look alike: after the point they have the time in nanoseconds, in hexadecimal digits.
_BOOTSTRAP = re.compile(r"\.(?!1[5-9a-f][0-9a-f]{14}(?![a-z0-9]))[a-z0-9]{16}(?![\w\-]|\.\w)")
_BEFORE_BOOTSTRAP = re.compile(r"(?<![\w.\-/:@])[a-z0-9]{6}")
_BEARER = re.compile(
    r"\b(?P<how>bearer|token|apikey|negotiate|digest)(?P<gap>(?:[ \t]|%20|\+)++)(?P<value>[^\s\"'\\,;<>)\]}]++)",
    re.IGNORECASE,
)
_BASIC = re.compile(r"\bbasic(?:[ \t]|%20|\+)++(?P<value>[A-Za-z0-9+/_-]{4,}+={0,2})", re.IGNORECASE)
#: The login in an URL; a password may hold a slash or an @, a port is none.
_URL = re.compile(
    r":\\*+/\\*+/(?P<who>[^\s/?#\"'<>\\@:]{0,250}+"
    r"(?::(?!\d++(?:[/\s?#\"']|$))[^\s\"'<>@]{0,250}+(?:@(?=[^\s/?#\"'<>@]{0,250}+@)[^\s/?#\"'<>@]{0,250}+){0,5}+)?)@"
)
_ENCODED_URL = re.compile(r"%3a%2f%2f(?P<who>[\w.~%-]++)", re.IGNORECASE)
_RUN = re.compile(r"[A-Za-z0-9+/_-]{20,}+={0,2}")
_PLAIN_WORD = re.compile(r"[A-Za-z]?[a-z]++|[a-z]++(?:-[a-z]++)*+")
#: What follows "bearer" or "token" in a sentence.
_PROSE = frozenset(
    ("a", "about", "account", "after", "also", "an", "and", "are", "argument", "as", "at", "auth",
     "authentication", "authenticator", "authorization", "be", "before", "by", "can", "cannot", "config",
     "controller", "could", "count", "credential", "credentials", "does", "error", "errors", "expired",
     "expires", "expiry", "failed", "field", "file", "files", "flag", "for", "format", "from", "given",
     "had", "has", "have", "header", "headers", "if", "in", "into", "invalid", "is", "issued", "issuer",
     "it", "kind", "lifetime", "like", "manager", "may", "method", "missing", "must", "name", "named",
     "not", "of", "on", "only", "option", "or", "other", "path", "present", "provider", "rejected",
     "request", "requests", "required", "review", "reviews", "rotation", "scheme", "secret", "secrets",
     "sent", "service", "session", "shall", "should", "source", "that", "the", "then", "this", "timeout",
     "to", "token", "tokens", "too", "type", "unauthorized", "until", "used", "using", "validation",
     "value", "verification", "via", "was", "were", "when", "where", "which", "will", "with", "without",
     "you")
)  # fmt: skip


def hidden(text: str, hide: Hide) -> str:
    """`text` with everything that looks like a secret replaced by what `hide` makes of it."""
    for sign, pattern in _SHAPES:
        if sign in text:
            text = pattern.sub(lambda found: hide(found[0]), text)
    text = _without_bootstrap_tokens(text, hide)
    if ":" in text or "%3" in text:
        text = _URL.sub(lambda found: _without_login(found, hide), text)
        text = _ENCODED_URL.sub(lambda found: _without_encoded_login(found, hide), text)
    small = text.lower()
    if any(word in small for word in ("bearer", "token", "apikey", "negotiate", "digest")):
        text = _BEARER.sub(lambda found: _without_bearer(found, hide), text)
    if "basic" in small:
        text = _BASIC.sub(lambda found: _without_basic(found, hide), text)
    return _RUN.sub(lambda found: hide(found[0]) if _is_blob(found[0]) else found[0], text)


def runs_of_base64(text: str, hide: Hide, is_secret: Callable[[str], bool]) -> str:
    """`text` in which each run of base64 that stands for a secret is replaced."""

    def replaced(found: re.Match[str]) -> str:
        run = found[0]
        # Text in base64 has capitals and small letters; of names, paths and digests most have not.
        mixed = not run.islower() and not run.isupper() and run.count("-") < 3 and run.count("/") < 4
        return hide(run) if mixed and any(map(is_secret, within_base64(run))) else run

    return _RUN.sub(replaced, text)


def _without_bootstrap_tokens(text: str, hide: Hide) -> str:
    kept, end = [], 0
    for found in _BOOTSTRAP.finditer(text):
        start = found.start() - 6
        # A host's name may look like one, so that one of its parts must have a digit.
        if (
            start >= end
            and _BEFORE_BOOTSTRAP.match(text, start)
            and re.search(r"\d", text[start : found.end()])
        ):
            kept += [text[end:start], hide(text[start : found.end()])]
            end = found.end()
    return "".join((*kept, text[end:])) if kept else text


def _without_login(found: re.Match[str], hide: Hide) -> str:
    who = found["who"]
    # A short name alone ("git@") is no secret; a long one is a token that takes the place of a name.
    if not who or who == "user:password" or (":" not in who and len(who) < 16) or who.endswith(":"):
        return found[0]
    return f"{found[0][: -len(who) - 1]}{hide(who)}@"


def _without_encoded_login(found: re.Match[str], hide: Hide) -> str:
    who, at, rest = found["who"].partition("%40")
    if not at or "%3a" not in who.lower():
        return found[0]
    return f"{found[0][: -len(found['who'])]}{hide(who)}{at}{rest}"


def _without_bearer(found: re.Match[str], hide: Hide) -> str:
    value = found["value"].rstrip(".:")
    how = found["how"].lower()
    if (
        value.lower() in _PROSE
        or value.startswith(("<", "-", "(", "[", "{", "=", ":", "$"))
        or len(value) < 4
    ):
        return found[0]
    if how != "bearer" and (len(value) < 20 or _PLAIN_WORD.fullmatch(value) or not re.search(r"\d", value)):
        return found[0]  # "token" and "digest" are words of many sentences
    return f"{found[0][: -len(found['value'])]}{hide(value)}{found['value'][len(value) :]}"


def _without_basic(found: re.Match[str], hide: Hide) -> str:
    value = found["value"]
    if not value.endswith("=") and not any(":" in text for text in from_base64(value)):
        return found[0]
    return f"{found[0][: -len(value)]}{hide(value)}"


def _is_blob(run: str) -> bool:
    """Whether a run of characters can only be a key: long, and mixed as no name and no digest is.

    An AWS secret key has 40 characters, an Azure or WireGuard key 44 and more.
    """
    plain = run.rstrip("=")
    if not (len(plain) >= 60 or len(plain) == 40 or (run.endswith("=") and len(plain) >= 40)):
        return False
    if plain.count("/") > 4 or plain.count("-") + plain.count("_") > 6:
        return False  # a path, or a name
    upper = sum(map(str.isupper, plain))
    digits = sum(map(str.isdigit, plain))
    return upper >= 5 and len(plain) - upper - digits >= 5 and digits >= 1


_STANDARD = str.maketrans("-_", "+/")


def from_base64(value: str) -> list[str]:
    """The text that `value` stands for from its first character on, or nothing."""
    try:
        padded = value.rstrip("=").translate(_STANDARD)
        return [base64.b64decode(padded + "=" * (-len(padded) % 4)).decode("utf-8")]
    except (binascii.Error, ValueError):
        return []


def within_base64(run: str) -> list[str]:
    """The texts that a run of such characters may stand for; the base64 may begin within it."""
    plain = run.rstrip("=").translate(_STANDARD)
    found = []
    for start in range(4):
        piece = plain[start:]
        try:
            text = binascii.a2b_base64(piece[: len(piece) // 4 * 4] + _rest(piece)).decode("utf-8")
        except (binascii.Error, ValueError):
            continue
        if text.replace("\n", "").replace("\t", "").replace("\r", "").isprintable():
            found.append(text)
    return found


def _rest(piece: str) -> str:
    over = len(piece) % 4
    return piece[-over:] + "=" * (4 - over) if over > 1 else ""
