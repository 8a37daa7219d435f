"""Secrets in a text that are known by the name before them: `password: x`, `"token":"x"`, `--api-key x`, FRR's.

One pass from the left to the right for each way of writing, so that the time grows with the length alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from clusters.outbound import secret_lines
from clusters.outbound.secret_names import KNOWN_VARIABLES, SIGNS, Holds, held_by
from clusters.outbound.secret_values import kept_in_text

Hide = Callable[[str], str]

#: Colours of a terminal, which may stand anywhere.
_COLOUR = r"(?:(?:\x1b|\\++(?:u001b|x1b|033|e))\[[0-9;]{0,20}m)*+"
_QUOTE = r"(?:\\*+[\"'`]|&quot;|&#34;|%22|\\++(?:u0022|x22))"
#: A name, and what stands between it and its value.
_NAMED = re.compile(
    rf"(?<![\w.\-])(?P<name>[\w.\-]++){_COLOUR}{_QUOTE}?\]?\)?[*_]{{0,2}}{_COLOUR}[ \t]*+"
    rf"(?P<sep>[:=]{{1,2}}>?|->|%3[aAdD])(?P<gap>[*`]{{0,2}}[ \t]*+){_COLOUR}"
)
_OPTION = re.compile(rf"(?<![\w.\-])--?(?P<name>[A-Za-z][\w.\-]*+){_QUOTE}?,?(?P<gap>[ \t]++)")
_OPENING = re.compile(
    r"(?:[bBrRuUfF]{1,2}(?=[\"']))?(?P<escapes>\\*+)(?P<quote>\"\"\"|'''|[\"'`]|&quot;|&#34;|%22|u0022|x22)"
)
_END_OF_QUOTED = re.compile(r"(?P<escapes>\\*+)(?P<quote>[\"'`])")
_AFTER_QUOTE = r"(?=[,}\])>;:]|\\n|\s*+$|[ \t]++[\w.\-]++=|[ \t]*+[\"'])"
#: A value that no quote ends: the rest of the line, or of the word. A quote ends it where it can only be the end of
#: what the whole stands in.
_REST = re.compile(
    rf"(?:[^\n\"'`\\]++|\\++(?![\"'`])|(?!\\*+[\"]{_AFTER_QUOTE}|\\*+[\"][ \t]|\\*+['`]{_AFTER_QUOTE})\\*+[\"'`])*+",
    re.MULTILINE,
)
_WORD = re.compile(
    rf"(?:[^\s\"'`\\]++|\\++(?![\"'`])|(?!\\*+[\"'`](?:{_AFTER_QUOTE}|[ \t]))\\*+[\"'`])*+", re.MULTILINE
)
_LIST = re.compile(r"\[[^\[\]{}\n]{0,2000}+\]")
_SIGNS = (*SIGNS, *secret_lines.SIGNS, "value")
_BLOCK = re.compile(r"(?:![\w!]++[ \t]++)?[|>][+\-0-9]{0,2}[ \t]*+$", re.MULTILINE)
#: How far a `value` may be from its `name`.
_NEAR = 300
#: Words that say something with the one before them alone.
_PARTS = frozenset({"key", "keys", "string", "pass", "phrase", "code"})
_WORD_BEFORE = re.compile(r"([A-Za-z]{2,20})[ \t]$")
_HELPERS = frozenset(
    {"not", "must", "to", "can", "will", "should", "may", "did", "does", "they", "it", "checks"}
)
_NAME_OF_VALUE = re.compile(r"[\\\"'` ]{0,10}+([\w.\-/]{1,120}+)")
#: A text down to a line that is the word which it was announced with.
_HERE = re.compile(
    r"<<[-~]?[\"']?(?P<word>\w{1,40})[\"']?[ \t]*+\n(?P<value>(?:(?![ \t]*+(?P=word)[ \t]*+$)[^\n]*+\n)*+)",
    re.MULTILINE,
)
#: The end of a line as JSON writes it, with the value below.
_ESCAPED_BLOCK = re.compile(r"[|>]?[+\-0-9]{0,2}\\++n(?:[ ]|-[ ])*+")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*+")
_LINE = re.compile(r"(?P<indent>[ \t]*+)(?P<dash>-[ \t]++)?(?P<rest>[^\n]*+)")
_MAPPING = re.compile(r"[\"']?[\w.\-/$]++[\"']?:(?:[ \t]|$)|[{\[#]|-[ \t]")


def _is_variable(name: str) -> bool:
    """Whether a name is a variable's whose value is not kept."""
    return _VARIABLE.fullmatch(name) is not None and name not in KNOWN_VARIABLES


def suspicious(text: str) -> bool:
    """Whether a text can hold anything that `hidden` replaces."""
    small = text.lower()
    return any(sign in small for sign in _SIGNS)


def hidden(text: str, hide: Hide) -> str:
    """`text` with the value of everything that is named as a secret replaced by what `hide` makes of it."""
    if not suspicious(text):
        return text
    text = _Values(text, hide).without(_NAMED)
    text = _Values(text, hide).without(_OPTION)
    return secret_lines.hidden(text, hide)


@dataclass
class _Values:
    """One pass over a text: finds names, reads their values, and puts the text together without the secret ones."""

    text: str
    hide: Hide
    kept: list[str] = field(default_factory=list)
    #: How far the text has been put together.
    done: int = 0
    #: Quotes that are not closed any more from here on; they are not looked for again.
    unclosed: set[tuple[str, int]] = field(default_factory=set)
    #: Where the last `name: PASSWORD` ended: a `value:` soon after it is its value.
    named: int = -1000

    def without(self, names: re.Pattern[str]) -> str:
        """The text without the values of the names that `names` finds."""
        at = 0
        while found := names.search(self.text, at):
            at = found.end("gap")  # a colour behind it may belong to the next name
            holds = self._holds(found)
            if holds is not Holds.NOTHING:
                at = self._take(found, holds)
        return "".join((*self.kept, self.text[self.done :])) if self.kept else self.text

    def _holds(self, found: re.Match[str]) -> Holds:
        name, start = found["name"], found.start()
        holds = held_by(name)
        if name.lower() in _PARTS:
            holds = self._of_two_words(name, start)
        if name in {"PWD", "OLDPWD"} and self.text.startswith("/", found.end()):
            return Holds.NOTHING  # where a shell is
        if holds is Holds.SECRET and self.text[max(0, start - 3) : start].lower() == "no ":
            return Holds.NOTHING  # "gave no credentials: …" tells why not
        if holds is Holds.NOTHING and start and self.text[start - 1] == "\\" and name[0] in "nrt":
            holds = held_by(name[1:])  # the end of a line in front of it, as JSON writes it
        if holds is Holds.NOTHING and name.lower() in {"name", "key"}:
            given = _NAME_OF_VALUE.match(self.text, found.end())
            if given and (_is_variable(given[1]) or held_by(given[1]) in {Holds.SECRET, Holds.PASSWORD}):
                self.named = given.end()
        elif holds is Holds.NOTHING and name.lower() == "value" and found.start() - self.named < _NEAR:
            return Holds.SECRET
        return holds

    def _of_two_words(self, name: str, start: int) -> Holds:
        """What a word says together with the one before it: an "encryption key"; "did not pass" is no password."""
        before = _WORD_BEFORE.search(self.text, max(0, start - 24), start)
        word = before[1] if before else ""
        if name.lower() == "pass":
            return Holds.NOTHING if word.lower() in _HELPERS else held_by(name)
        return held_by(f"{word} {name}")

    def _take(self, found: re.Match[str], holds: Holds) -> int:
        """Replace the value behind a name; returns where to go on."""
        start = found.end()
        if opening := _OPENING.match(self.text, start):
            if found["name"].lower() == "secrets" and self.text.startswith("{", opening.end()):
                return opening.end()  # objects that refer to Secrets, which are looked into
            return self._replace(opening.end(), self._quoted(opening), holds)
        if self.text.startswith(("{", "["), start):
            listed = _LIST.match(self.text, start)
            everything = holds is not Holds.MAYBE
            return self._replace(start + 1, listed.end() - 1, holds, anything=everything) if listed else start
        sep = found.groupdict().get("sep")
        if sep and (below := _ESCAPED_BLOCK.match(self.text, start)):
            rest = None if _MAPPING.match(self.text, below.end()) else _REST.match(self.text, start)
            return self._replace(start, rest.end(), holds, anything=True) if rest else start
        if here := _HERE.match(self.text, start):
            return self._replace(here.start("value"), here.end("value"), holds, anything=True)
        block = sep and (_BLOCK.match(self.text, start) or self._ends_line(start))
        return self._block(found, start, holds) if block else self._unquoted(found, holds, sep)

    def _unquoted(self, found: re.Match[str], holds: Holds, sep: str | None) -> int:
        """Replace a value that goes on to the end of its line, or of its word."""
        start = found.end()
        line = bool(sep) and (bool(found["gap"].strip("*`")) or sep == ":=")
        value = (_REST if line and holds is not Holds.MAYBE else _WORD).match(self.text, start)
        end = value.end() if value else start
        if sep == ":" and not line and self._is_no_key(found, end):
            return end
        return self._replace(start, end, holds, message=line)

    def _is_no_key(self, found: re.Match[str], end: int) -> bool:
        """A colon with nothing behind it may be one of an image, of a host and port, or of a user's name."""
        before = self.text[found.start() - 1 : found.start()]
        value = self.text[found.end() : end]
        return before in {"/", "@"} or (
            held_by(found["name"]) is not Holds.PASSWORD and value.rstrip(",/]").isdecimal()
        )

    def _quoted(self, opening: re.Match[str]) -> int:
        """Where a quoted value ends: at the same quote, escaped as often, or at the end of the line."""
        quote, depth = opening["quote"], len(opening["escapes"])
        if quote in {"&quot;", "&#34;", "%22", "u0022", "x22", '"""', "'''"}:
            closed = self.text.find(quote, opening.end()) if (quote, 0) not in self.unclosed else -1
            if closed >= 0:
                return closed
        elif (quote, depth) not in self.unclosed:
            for each in _END_OF_QUOTED.finditer(self.text, opening.end()):
                escapes = len(each["escapes"])
                if each["quote"] == quote and (escapes <= depth if depth else escapes % 2 == 0):
                    return each.start() + (escapes if not depth else 0)
        self.unclosed.add((quote, depth))
        ends = self.text.find("\n", opening.end())
        return ends if ends >= 0 else len(self.text)

    def _ends_line(self, start: int) -> bool:
        return start >= len(self.text) or self.text[start] in "\r\n"

    def _block(self, found: re.Match[str], start: int, holds: Holds) -> int:
        """Replace the lines below a name that are further in: a block of YAML, or a list. A mapping is looked into."""
        line = self.text.find("\n", start)
        if line < 0:
            return len(self.text)
        literal = start < line and self.text[start] not in "\r\n"
        indent = self._indent(found.start())
        at = line + 1
        while at < len(self.text) and (below := _LINE.match(self.text, at)):
            dash = bool(below["dash"]) and not literal
            if below["rest"].strip() and (len(below["indent"]) < indent + (0 if dash else 1)):
                break
            if not literal and not dash and at == line + 1 and _MAPPING.match(below["rest"]):
                return start
            if not (dash and _MAPPING.match(below["rest"])):
                self._replace(below.start("rest"), below.end("rest"), holds, anything=literal)
            elif not literal:
                break
            at = below.end() + 1
            if not literal and not dash:
                break  # one value on a line of its own
        return max(at - 1, start)

    def _indent(self, start: int) -> int:
        """How far in a name stands, or the line that it is in where other words come before it."""
        before = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        return len(before) if not before.strip(" -\t\"'") else len(before) - len(before.lstrip())

    def _replace(
        self, start: int, end: int, holds: Holds, *, message: bool = False, anything: bool = False
    ) -> int:
        value = self.text[start:end].rstrip()
        end = start + len(value)
        if start >= self.done and not kept_in_text(value, holds, message=message, anything=anything):
            self.kept += [self.text[self.done : start], self.hide(value)]
            self.done = end
        return max(end, start)
