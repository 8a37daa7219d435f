"""One object that is changed, by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from clusters.api import Api, NotFound, Resource
from clusters.journal import Entry
from clusters.objects import Object


@dataclass(frozen=True)
class Target:
    """An object by kind, name and namespace; `foreign` says why it is changed though not the run's own."""

    res: Resource
    name: str
    namespace: str | None = None
    foreign: str = ""

    def __str__(self) -> str:
        return self.res.describe(self.name, self.namespace)

    def read(self, api: Api) -> Object | None:
        """The object as it is now, None where it is not there."""
        try:
            return api.get(self.res, self.name, self.namespace)
        except NotFound:
            return None

    def as_json(self) -> Object:
        """As it stands in the journal."""
        return {"resource": asdict(self.res), "name": self.name, "namespace": self.namespace}

    def is_of(self, entry: Entry) -> bool:
        """Whether a journal entry is about this object."""
        return self.as_json().items() <= entry.undo.items()

    @classmethod
    def from_json(cls, value: Object) -> Target:
        """The reverse; other keys are left alone."""
        return cls(Resource(**value["resource"]), value["name"], value["namespace"])
