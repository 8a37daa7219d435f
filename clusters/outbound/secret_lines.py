"""Secrets in lines that have a form of their own: of shells, of routers, of tables and tags."""

from __future__ import annotations

import re
from collections.abc import Callable

from clusters.outbound.secret_names import Holds, held_by
from clusters.outbound.secret_values import kept_in_text, nothing

Hide = Callable[[str], str]

#: What has to be in a text, in small letters, before it is looked through for these.
SIGNS = (
    "sudo", "stdin", "stringdata", "-u", "--user", "login", "mysql", "mariadb", "mongo", "-cli", "ldap",
    "smbclient", "ipmi", "snmp", "md5",
)  # fmt: skip

_TAG = re.compile(r"<(?P<name>[\w.:\-]{1,100}+)(?:\s[^<>\n]{0,300}+)?>(?P<value>[^<>]++)</")
#: The end of a row of a table: a name, and a value in the last cell.
_ROW = re.compile(
    r"(?P<lead>\|[ \t*`]*+(?P<name>[\w.\- ]{1,60}?)[ \t*`]*+\|[ \t`]*+)(?P<value>[^|\n`]*+)"
    r"(?=`?[ \t]*+\|[^|\n]*+$)",
    re.MULTILINE,
)
#: A user and a password behind an option: curl's, and that of many others.
_LOGIN = re.compile(
    r"(?<![\w\-])(?:-[uU]|--user|--proxy-user)(?:[ \t=]|\\*[\"'],?[ \t]*\\*[\"'])*+"
    r"(?P<value>[^\s:\"'\\=]{1,200}+[:%][^\s\"'\\]++)"
)
#: Programs that take a password behind an option of one letter.
_COMMAND = re.compile(
    r"(?<![\w\-])(?P<command>sshpass|mysql(?:dump|admin|show|import)?|mariadb(?:-dump|-admin)?"
    r"|mongo(?:sh|dump|restore)?|(?:redis|valkey)-cli|ldap(?:search|add|modify|passwd|whoami|delete)|htpasswd"
    r"|(?:docker|podman|nerdctl|crane|skopeo|oras|helm|buildah|az|oc|vault|argocd|cf) (?:registry )?login"
    r"|smbclient|ipmitool|snmp(?:walk|get|set)|openssl passwd|chpasswd)(?P<rest>[^\n|]*+)"
)
_OF_HTPASSWD = re.compile(r"(?:[ ]-\S++)*+[ ][^\s\"'\\]++(?P<words>[^\"\\]*+)")
_SHORT = re.compile(r"(?P<lead>[ \t\"',]-[pawPc][ \t\"',]*+)(?P<value>[^\s\"',\-][^\s\"',]*+)")
#: Configuration of routers, where a space stands between name and value. Source: FRR's and BIRD's manuals.
_ROUTER = re.compile(
    r"(?P<lead>"
    r"(?:\blogin|\bneighbor)[ \t]++[^\s\\]++[ \t]++password[ \t]++(?:\d[ \t]++)?"
    r"|(?:^|\\n|[\"'|>{;])[ \t]*+(?:enable[ \t]++)?(?:password|authentication-key|key-string|md5)[ \t]++"
    r"(?:\d[ \t]++)?(?=[^\s\"'\\]++[ \t]*+(?:$|\\|;|[\"']))"
    r"|\b(?:message-digest-key[ \t]++\d++[ \t]++\w++|authentication-key|authentication[ \t]++string|key-string"
    r"|(?:area-|domain-)?password[ \t]++(?:clear|md5)|snmp-server[ \t]++community|tcp-md5"
    r"|username[ \t]++\S++[ \t]++(?:password|secret)|isakmp[ \t]++key|pre-shared-key|shared-secret)"
    r"[ \t]++(?:\d[ \t]++)?"
    r"|\b(?:password|passphrase|psk)[ \t]++(?=\\*[\"'])"
    r")(?P<value>\\*+\"[^\"\n\\]*+\\*+\"?|\\*+'[^'\n\\]*+\\*+'?|[^\s\"';\\]++)",
    re.MULTILINE,
)
#: A sentence that gives a secret away: the value is no word.
_SAID = re.compile(
    r"(?P<lead>\b(?:password|passwd|passphrase|passcode|secret|token|(?:api|access)[ -]?key)"
    r"[ \t]++(?:is|was|to|of)[ \t:]++)"
    r"(?P<value>\\*+[\"'`]?(?=[^\s\"']*?\d)(?=[^\s\"']*?[A-Za-z])[^\s\"'`\\<>]{6,200}+)",
    re.IGNORECASE,
)
_PLIST = re.compile(r"(?P<lead><key>(?P<name>[^<>]{1,100}+)</key>\s*+<string>)(?P<value>[^<>]++)")
#: A name and its value as two texts, side by side.
_PAIR = re.compile(
    r"(?P<lead>(?P<quote>\\*+[\"'])(?P<name>[\w.\-]{1,100}+)(?P=quote)[ \t]*+,[ \t]*+(?P=quote))"
    r"(?P<value>[^\"'\\\n]++)(?=(?P=quote)[ \t]*+(?:[,\])};]|$))"
)
_PIPED = re.compile(
    r"(?P<lead>\b(?:echo|printf)[ \t]++(?:-\w++[ \t]++)*+)(?P<value>[^\n|]{1,120}?)"
    r"(?=[ \t]*+\|[^|\n]{0,200}?(?:password-stdin|passphrase-fd|--stdin|sudo -S|chpasswd))"
)
#: The data of a Secret that stands in a text as YAML.
_SECRET_KIND = re.compile(r"^[ \t]*+kind:[ \t]*+[\"']?Secret\b", re.MULTILINE)
_SECRET_DATA = re.compile(
    r"^(?P<indent>[ \t]*+)(?:data|stringData):[ \t]*+\n(?P<lines>(?:(?P=indent)[ \t]++[^\n]*+\n?|[ \t]*+\n)*+)",
    re.MULTILINE,
)
_SECRET_LINE = re.compile(r"^(?P<lead>[ \t]*+(?:[^\s:]++:[ \t]*+)?)(?P<value>[^\n]*+)", re.MULTILINE)
#: What follows "password" in a line of two words that is no configuration.
_NO_PASSWORDS = frozenset(
    ("required", "expired", "incorrect", "invalid", "mismatch", "missing", "authentication", "protected", "is", "must",
     "policy", "rotation", "changed", "change", "reset", "hash", "hashing", "manager", "file", "of", "for", "and", "or",
     "in")
)  # fmt: skip


def hidden(text: str, hide: Hide) -> str:
    """`text` without the secrets of such lines."""
    if "</" in text:
        text = _TAG.sub(lambda found: _without_tagged(found, hide), text)
    if "|" in text:
        text = _ROW.sub(lambda found: _without_cell(found, hide), text)
    if "<key>" in text:
        text = _PLIST.sub(lambda found: _without_named(found, hide), text)
    if "|" in text and ("stdin" in text or "-fd" in text or "sudo" in text or "chpasswd" in text):
        text = _PIPED.sub(lambda found: found["lead"] + hide(found["value"]), text)
    if _SECRET_KIND.search(text):
        text = _SECRET_DATA.sub(lambda found: _without_data(found, hide), text)
    text = _PAIR.sub(lambda found: _without_second(found, hide), text)
    text = _SAID.sub(lambda found: _without_configured(found, hide), text)
    text = _LOGIN.sub(lambda found: _without_login(found, hide), text)
    text = _COMMAND.sub(lambda found: _without_arguments(found, hide), text)
    return _ROUTER.sub(lambda found: _without_configured(found, hide), text)


def _without_tagged(found: re.Match[str], hide: Hide) -> str:
    holds, value = held_by(found["name"].rpartition(":")[2]), found["value"]
    if holds is Holds.NOTHING or kept_in_text(value.strip(), holds, message=True):
        return found[0]
    return f"{found[0][: -len(value) - 2]}{hide(value)}</"


def _without_named(found: re.Match[str], hide: Hide) -> str:
    kept = held_by(found["name"]) is Holds.NOTHING or nothing(found["value"])
    return found[0] if kept else found["lead"] + hide(found["value"])


def _without_second(found: re.Match[str], hide: Hide) -> str:
    name, value = found["name"], found["value"]
    holds = held_by(name)
    # A list of words may have "secrets" among them; a header or a variable is told by its spelling.
    told = holds is Holds.PASSWORD or (holds is Holds.SECRET and (set(name) & set("-_") or name[0].isupper()))
    return found["lead"] + hide(value) if told and not nothing(value) else found[0]


def _without_data(found: re.Match[str], hide: Hide) -> str:
    def hidden_line(line: re.Match[str]) -> str:
        value = line["value"].strip()
        return line[0] if nothing(value) else line["lead"] + hide(value)

    return found[0][: len(found[0]) - len(found["lines"])] + _SECRET_LINE.sub(hidden_line, found["lines"])


def _without_cell(found: re.Match[str], hide: Hide) -> str:
    value, holds = found["value"].rstrip(), held_by(found["name"])
    if holds is Holds.NOTHING or not value or kept_in_text(value, holds, message=True):
        return found[0]
    return f"{found['lead']}{hide(value)}{found['value'][len(value) :]}"


def _without_login(found: re.Match[str], hide: Hide) -> str:
    value = found["value"]
    if value.replace(":", "").isdecimal() or value.startswith("<redacted"):
        return found[0]  # the numbers of a user and a group
    return found[0][: -len(value)] + hide(value)


def _without_arguments(found: re.Match[str], hide: Hide) -> str:
    if found["command"] == "htpasswd":
        return found["command"] + _OF_HTPASSWD.sub(
            lambda each: _words_hidden(each, hide), found["rest"], count=1
        )
    rest = _SHORT.sub(
        lambda each: each[0] if nothing(each["value"]) else each["lead"] + hide(each["value"]), found["rest"]
    )
    return found["command"] + rest


def _words_hidden(found: re.Match[str], hide: Hide) -> str:
    words = found["words"]
    kept = [word if not word or nothing(word) else hide(word) for word in words.split(" ")]
    return found[0][: len(found[0]) - len(words)] + " ".join(kept)


def _without_configured(found: re.Match[str], hide: Hide) -> str:
    value = found["value"]
    bare = value.strip("\\\"'")
    if nothing(bare) or bare.lower() in _NO_PASSWORDS or bare.startswith(("<", "=", ":")):
        return found[0]
    start = value.find(bare)
    return f"{found['lead']}{value[:start]}{hide(bare)}{value[start + len(bare) :]}"
