"""Every command that is shown to a person is made here, so that no word of a cluster's can run when it is typed.

A template is ours; what goes into its `{fields}` comes from a cluster, a repository or a command line. A field is
taken only where it has the form of what it names (a name that Kubernetes accepts, an address, a path), and is then
quoted for the shell. What has not that form leaves the placeholder `<field>` in the command, for the person to see.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import string
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NewType

from clusters.subject import Subject

Command = NewType("Command", str)
"""A command as it is shown: made by `command`, or read back from a file by `kept`."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_LONGEST = 4096  # of a path on Linux


def _matching(pattern: str) -> Callable[[str], str]:
    """A form whose every match is the words as they are typed; each word is quoted all the same."""
    form = re.compile(pattern, re.ASCII)

    def quoted(text: str) -> str:
        return " ".join(map(shlex.quote, text.split(" "))) if form.fullmatch(text) else ""

    return quoted


def _address(text: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return ""
    # A scope may be any text.
    return "" if getattr(found, "scope_id", None) else str(found)


def _word(text: str) -> str:
    """Any one word that can be read on one line and that no program takes for an option."""
    fits = text.isprintable() and not text.startswith("-") and len(text) <= _LONGEST
    return shlex.quote(text) if fits and text.strip() else ""


def _path(text: str) -> str:
    return _word(f"./{text}" if text.startswith("-") else text)


_FORMS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "namespace": _matching(_LABEL),
        "service": _matching(_LABEL),
        "pool": _matching(_NAME),
        "node": _matching(_NAME),
        "address": _address,
        "metallb_namespace": _matching(_LABEL),
        "controller": _matching(rf"(?:deployment|daemonset)/{_NAME}"),
        "speaker": _matching(rf"(?:deployment|daemonset)/{_NAME}"),
        "account": _matching(rf"system:serviceaccount:{_LABEL}:{_NAME}"),
        "verb": _matching(r"[a-z]{1,63}"),
        "resource": _matching(rf"{_LABEL}(?:\.{_NAME})?(?: --subresource=[a-z]{{1,63}})?"),
        "within": _matching(rf"--all-namespaces|-n {_LABEL}"),
        "kind": _matching(r"[A-Za-z][A-Za-z0-9]{0,62}"),
        "name": _matching(_NAME),
        "revision": _matching(r"[0-9a-f]{4,64}"),
        "uid": _matching(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}"),
        "host": _matching(r"[A-Za-z0-9][A-Za-z0-9_.@:-]{0,254}"),
        "packages": _matching(r"[a-z0-9][a-z0-9+.-]*(?: [a-z0-9][a-z0-9+.-]*)*"),
        "profile": _path,
        "overlay": _path,
        "pod": _matching(_NAME),
        "port": _matching(r"[1-9][0-9]{0,4}"),
        "endpoint": _address,
        "peer": _address,
        "interface": _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}"),
        "folder": _path,
        "other_folder": _path,
        "file": _path,
        "text": _word,
    }
)

FIELDS = tuple(_FORMS)
"""The fields that a template may have. `controller` and `speaker` name MetalLB's workloads as kubectl takes them,
which differ between a manifest's and a Helm release's installation. `account` is a user as the API server names it,
`verb` and `resource` what it may not do, and `within` kubectl's option for where. `profile` is a profile's name or
file, `overlay` the folder of a cluster's overlay, `peer` the address of another node, and `text` what to look for in
a file."""

DEFAULTS = MappingProxyType(
    {
        "metallb_namespace": "metallb-system",
        "controller": "deployment/controller",
        "speaker": "daemonset/speaker",
        "within": "--all-namespaces",
    }
)
"""What a field is where the caller does not say; any other missing field stays visible as "<service>"."""

PLACEHOLDER = re.compile(r"<[a-z][a-z-]*>")
"""The one form of what a person has to fill in. No field can look so: it would be quoted, or not be taken."""

ARPING = "arping -b -c 5 -I {interface} {address}"
NEIGHBOUR = "ip neigh show {address}"
#: Whether each card and each link of a bond has a link, its VLAN, and its errors.
CARDS = "ip -s -d link"
CAPTURE = "tcpdump -n -i {interface} arp and host {address}"
FETCH = "curl --connect-timeout 3 'http://{address}:{port}/'"
HANDSHAKE = "openssl s_client -connect {address}:{port} -servername {host}"
CAPTURE_ANYWHERE = "tcpdump -e -n -i any arp and host {address}"
_NEIGHBOUR_DISCOVERY = "'icmp6 and (ip6[40] == 135 or ip6[40] == 136)' | grep -F {address}"

_IN_IPV6 = MappingProxyType(
    {
        ARPING: "ndisc6 -m -r 5 {address} {interface}",
        FETCH: "curl --connect-timeout 3 'http://[{address}]:{port}/'",
        HANDSHAKE: "openssl s_client -connect '[{address}]:{port}' -servername {host}",
        NEIGHBOUR: "ip -6 neigh show {address}",
        # A solicitation goes to a multicast group, so no filter on the host finds it.
        CAPTURE: f"tcpdump -n -l -i {{interface}} {_NEIGHBOUR_DISCOVERY}",
        CAPTURE_ANYWHERE: f"tcpdump -e -n -l -i any {_NEIGHBOUR_DISCOVERY}",
    }
)
"""IPv6 has no ARP: what is typed instead of a template, where the address is of that family."""


def command(template: str, /, **fields: str) -> Command:
    """The template, filled in. A missing or unfit field stays "<name>"; an unknown one raises TypeError."""
    return commands((template,), **fields)[0]


def commands(templates: Iterable[str], /, **fields: str) -> tuple[Command, ...]:
    """Several templates, filled in with the same fields."""
    if unknown := fields.keys() - _FORMS.keys():
        raise TypeError(f"no such field in a command: {', '.join(sorted(unknown))}")
    values = _Values({**DEFAULTS, **{name: value for name, value in fields.items() if value}})
    family = _IN_IPV6 if ":" in values["address"] else _AS_WRITTEN
    return tuple(Command(family.get(each, each).format_map(values)) for each in templates)


class _Values(dict[str, str]):
    """The fields as they are typed, each made when a template has it: most have few of them."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__()
        self._given = given

    def __missing__(self, name: str) -> str:
        value = (
            _FORMS[name](self._given[name]) if name in self._given else ""
        ) or f"<{name.replace('_', '-')}>"
        return self.setdefault(name, value)


_AS_WRITTEN: Mapping[str, str] = MappingProxyType({})


def fields_in(template: str) -> frozenset[str]:
    """The names of the fields that a template has."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


def fields_of(subject: Subject) -> dict[str, str]:
    """What a finding's subject says for the fields of a command."""
    if subject.kind == "service":
        return {"namespace": subject.namespace, "service": subject.name}
    kind = "name" if subject.kind == "webhook" else subject.kind
    return {kind: subject.key} if kind in {"pool", "node", "overlay", "name"} else {}


def kept(text: str) -> Command:
    """A command that a file of results holds: one line, whatever the file says."""
    if text.isprintable():
        return Command(text)
    return Command("".join(each if each.isprintable() else _escaped(each) for each in text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
