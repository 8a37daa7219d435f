"""Judging the way back: rollback.previous-renders.

The previous revision must render, and the installed CRDs and MetalLB must take what it configures. What CRDs say in CEL
(x-kubernetes-validations) is not evaluated: rules of BGPPeers and BGPAdvertisements alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from clusters.cause_ids import CauseId
from clusters.checks import Finding
from clusters.commands import command
from clusters.errors import Inconclusive
from clusters.gitops.findings import evidence, subject_of
from clusters.gitops.pool_objects import POOL, is_configuration, key
from clusters.gitops.range_findings import before_change
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.metallb import configuration
from clusters.objects import Object
from clusters.subject import Subject


def previous_renders(
    repository: RepositorySnapshot, note: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """What keeps the overlay's previous revision from being applied again; `note` is told what was not judged.

    Raises Inconclusive where there is no previous revision, it needs the network, or an installed definition
    was not read.
    """
    previous = repository.previous
    if previous is not None and previous.broken:
        return [_finding(repository, Subject("overlay", previous.overlay), previous.problem, ())]
    render = before_change(repository)
    configured = [found for found in render.objects if is_configuration(found)]
    if repository.live is None and configured and not repository.known_schemas:
        note(
            "its fields were compared with no definition of MetalLB's: no cluster was asked, and the overlay renders "
            "none"
        )
    found = [finding for each in configured for finding in _invalid(repository, each)]
    pools = [each for each in configured if each["kind"] == POOL]
    advertisements = [each for each in configured if each["kind"] == "L2Advertisement"]
    refused = configuration.read(pools, advertisements).refusals
    return [*found, *(_finding(repository, reason.subject, reason.text, ()) for reason in refused)]


def _invalid(repository: RepositorySnapshot, found: Object) -> Iterator[Finding]:
    kind, version = str(found["kind"]), str(found["apiVersion"]).rpartition("/")[2]
    # Without a cluster the definitions that the overlay itself brings say what is valid, as far as it brings any.
    alone = repository.live is None
    schemas = repository.known_schemas if alone else repository.schemas
    schema = schemas.get(f"{kind} {version}")
    if schema is None:
        if alone and not schemas:
            return
        if any(name.startswith(f"{kind} ") for name in schemas):
            text = f"{key(found)} is of version {version}, which the cluster does not serve."
            yield _finding(repository, _subject(found), text, ())
            return
        raise Inconclusive(
            f"The installed definition of {kind} was not read, so {key(found)} cannot be validated.",
            remedy="Allow this login to get customresourcedefinitions.apiextensions.k8s.io.",
        )
    validator = Draft202012Validator(json_schema(schema))
    errors = sorted(validator.iter_errors(found), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        text = f"{key(found)} is not valid against the installed definition: {said(errors[0])}."
        yield _finding(repository, _subject(found), text, tuple(map(said, errors)))


def _subject(found: Object) -> Subject:
    kind, _, name = key(found).partition(" ")
    return subject_of(kind, name)


def _finding(
    repository: RepositorySnapshot, subject: Subject, summary: str, lines: tuple[str, ...]
) -> Finding:
    past, tree = repository.history, repository.layout.tree
    revision = past.head if past.dirty else past.previous
    return Finding(
        cause=CauseId.OVERLAY_INVALID,
        subject=subject,
        summary=f"Before the last change, at {revision[:12]}: {summary}",
        evidence=evidence(lines),
        remedy="Prepare another way back before it is needed: a revision that renders and is valid.",
        commands=(
            command("git log -5 -- {folder}/", folder=tree),
            command("git show {revision} --stat", revision=revision[:12]),
        ),
    )


def said(error: ValidationError) -> str:
    """A validation error as a person reads it: the field, and what is wrong with it."""
    path = ".".join(str(step) for step in error.absolute_path)
    return f"{path or 'the object'}: {error.message}"[:300]


def json_schema(found: Any, *, top: bool = True) -> Any:
    """A CRD's openAPIV3Schema as JSON Schema, strict as `kubectl apply` is: unknown fields are errors.

    Source: Kubernetes' documentation of structural schemas; apiVersion, kind and metadata are always allowed.
    """
    if isinstance(found, list):
        return [json_schema(each, top=False) for each in found]
    if not isinstance(found, dict):
        return found
    kept = {
        name: value for name, value in found.items() if name not in _REWRITTEN and not name.startswith("x-")
    }
    for name in ("items", "not", "allOf", "anyOf", "oneOf", "additionalProperties"):
        if name in kept:
            kept[name] = json_schema(kept[name], top=False)
    if properties := found.get("properties"):
        always: Object = {"apiVersion": {}, "kind": {}, "metadata": {}, "status": {}} if top else {}
        kept["properties"] = {
            name: json_schema(each, top=False) for name, each in properties.items()
        } | always
        open_ended = found.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in found
        kept |= {} if open_ended else {"additionalProperties": False}
    if found.get("x-kubernetes-int-or-string"):
        kept["type"] = ["integer", "string"]
    if found.get("nullable") and "type" in kept:
        kept["type"] = [*([kept["type"]] if isinstance(kept["type"], str) else kept["type"]), "null"]
    return kept


# Words of OpenAPI that JSON Schema does not have, or has with another meaning.
_REWRITTEN = frozenset(
    {"properties", "nullable", "example", "externalDocs", "description", "default", "format"}
)
