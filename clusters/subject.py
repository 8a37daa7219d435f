"""What a finding is about: an object by its kind, namespace and name, or the cluster as a whole."""

from __future__ import annotations

from collections.abc import Container
from typing import Self


class Subject(str):
    """An object as a finding names it: "service shop/web", "pool edge", "node w1", "cluster".

    It is that text, so that it can be written and compared as such, and it knows its parts: whoever decides by a
    subject asks for those. `namespace` is empty where the object has none, `name` for the cluster.
    """

    __slots__ = ("kind", "name", "namespace")

    kind: str
    namespace: str
    name: str

    def __new__(cls, kind: str, name: str = "", *, namespace: str = "") -> Self:
        """An object of a kind."""
        whole = f"{namespace}/{name}" if namespace else name
        return cls._of(f"{kind} {whole}" if whole else kind, kind, namespace, name)

    @classmethod
    def _of(cls, text: str, kind: str, namespace: str, name: str) -> Self:
        made = super().__new__(cls, text)
        made.kind, made.namespace, made.name = kind, namespace, name
        return made

    @classmethod
    def read(cls, text: str) -> Self:
        """The subject that is written so, whoever wrote it: the text stays as it is."""
        kind, _, whole = text.partition(" ")
        namespace, _, name = whole.rpartition("/")
        return cls._of(text, kind, namespace, name)

    @classmethod
    def node(cls, name: str) -> Self:
        """A node."""
        return cls("node", name)

    @classmethod
    def pool(cls, name: str) -> Self:
        """An IPAddressPool."""
        return cls("pool", name)

    @classmethod
    def service(cls, key: str) -> Self:
        """A service, by "namespace/name"."""
        namespace, _, name = key.rpartition("/")
        return cls("service", name, namespace=namespace)

    @property
    def key(self) -> str:
        """The object without its kind: "shop/web", "edge"."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def is_node_of(self, names: Container[str]) -> bool:
        """Whether it is one of these nodes."""
        return self.kind == "node" and self.name in names

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, str]]:
        """For copies and pickles: made again of its parts."""
        return (self.kind, self.name), {"namespace": self.namespace}


CLUSTER = Subject("cluster")
#: Of what only the caller knows what it is about.
UNNAMED = Subject("")
