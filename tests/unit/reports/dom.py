"""A page as a tree of elements, to ask what a reader sees instead of how it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "br", "link", "input", "hr", "img"}


@dataclass
class Element:
    """One element with its attributes and what is inside it, texts among its elements."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    inside: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What is written in it, blanks made one. Titles of drawings are not: nobody sees them."""
        parts = (
            one if isinstance(one, str) else "" if one.tag == "title" else one.text for one in self.inside
        )
        return " ".join(" ".join(parts).split())

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())

    @property
    def children(self) -> list[Element]:
        return [one for one in self.inside if isinstance(one, Element)]

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag: str = "", *, of_class: str = "") -> list[Element]:
        return [
            one
            for one in self.walk()
            if (not tag or one.tag == tag) and (not of_class or of_class in one.classes)
        ]

    def one(self, tag: str = "", *, of_class: str = "") -> Element:
        (found,) = self.all(tag, of_class=of_class)
        return found

    def by_id(self, name: str) -> Element:
        (found,) = [one for one in self.walk() if one.attributes.get("id") == name]
        return found

    def without(self, *tags: str) -> Element:
        """The same with all elements of those tags taken out."""
        kept = [
            one if isinstance(one, str) else one.without(*tags)
            for one in self.inside
            if isinstance(one, str) or one.tag not in tags
        ]
        return Element(self.tag, self.attributes, kept)


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("page")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].inside.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self._open[-1].inside.append(data)


def parsed(html: str) -> Element:
    """The tree of a page. Fails where its tags do not nest."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert len(builder._open) == 1, "an element is never closed"
    return builder.root


def outline(element: Element, depth: int = 0) -> list[str]:
    """What the page is made of, one line an element that means something: its tag, role, names and own text.

    Drawings and their lists are one line each: where their lines go is not the page's structure.
    """
    lines = []
    for child in element.children:
        if child.tag in {"style", "script", "defs", "meta"} or "patterns" in child.classes:
            continue
        name = child.tag + "".join(
            f"[{key}={child.attributes[key]}]"
            for key in ("id", "class", "href", "role", "scope", "aria-label")
            if child.attributes.get(key)
        )
        if child.tag == "svg":
            shapes = sorted(
                {("." + min(one.classes)) if one.classes else one.tag for one in child.walk()} - {"svg"}
            )
            called = [str(one.inside[0]) for one in child.children if one.tag == "title"]
            lines.append(f"{'  ' * depth}{name} {' '.join([*shapes, *called])}")
            continue
        if element.tag == "details" and child.tag == "table":
            lines.append(f"{'  ' * depth}{name} {len(child.all('tr'))} rows")
            continue
        own = " ".join(" ".join(one for one in child.inside if isinstance(one, str)).split())
        lines.append(f"{'  ' * depth}{name}{' | ' + own if own else ''}")
        lines += outline(child, depth + 1)
    return lines
