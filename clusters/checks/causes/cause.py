"""What a cause is, and how its commands are filled in."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.checks.outcome import Scope

FIELDS = (
    "namespace",
    "service",
    "pool",
    "node",
    "address",
    "metallb_namespace",
    "controller",
    "speaker",
    "account",
    "verb",
    "resource",
    "within",
)
"""The fields that a command template may have. `controller` and `speaker` name MetalLB's workloads as kubectl
takes them, which differ between a manifest's and a Helm release's installation. `account` is a user as the API
server names it, `verb` and `resource` what it may not do, and `within` kubectl's option for where."""

DEFAULTS = {
    "metallb_namespace": "metallb-system",
    "controller": "deployment/controller",
    "speaker": "daemonset/speaker",
    "within": "--all-namespaces",
}
"""What a field is where the caller does not say; any other missing field stays visible as "<service>"."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing that can be wrong.

    `meaning` is one sentence for somebody who was not there, `remedy` one sentence that says what to do, and
    `commands` what to type for it: first what shows the fault, then what mends it. `scope` is how far such a
    fault reaches unless its finding says otherwise.
    """

    id: str
    title: str
    meaning: str
    remedy: str
    commands: tuple[str, ...]
    scope: Scope = Scope.SERVICE

    def render(self, **fields: str) -> tuple[str, ...]:
        """The commands, filled in. A missing field stays "<name>"; an unknown one raises TypeError."""
        if unknown := fields.keys() - set(FIELDS):
            raise TypeError(f"no such field in a command: {', '.join(sorted(unknown))}")
        given = {name: value for name, value in fields.items() if value}
        values = {name: f"<{name}>" for name in FIELDS} | DEFAULTS | given
        return tuple(each.format(**values) for each in self.commands)
