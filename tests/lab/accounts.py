"""The service accounts of deploy/rbac on a lab: one a role, with exactly that, and what each of them has done."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clusters.lab.lab import Lab
from suites.rbac import ROLES
from tests.lab.tools import ROOT, Kubectl

NAMESPACE = "metallb-conformance"
Json = dict[str, Any]


@dataclass
class Account:
    """One service account, its kubeconfig with a token, and a profile of the lab as a cluster that is just there."""

    lab: Lab
    role: str
    folder: Path
    kubectl: Kubectl
    _seen: set[str] = field(default_factory=set)

    @property
    def user(self) -> str:
        """Its name for the API server."""
        return f"system:serviceaccount:{NAMESPACE}:metallb-conformance-{self.role}"

    @property
    def level(self) -> str:
        """The level that the role is for."""
        return str(next(each.level for each in ROLES if each.file == self.role))

    @property
    def kubeconfig(self) -> Path:
        """Where its kubeconfig is."""
        return self.folder / f"{self.role}.kubeconfig"

    @property
    def profile(self) -> Path:
        """Where its profile is."""
        return self.folder / f"{self.role}.yaml"

    def made(self) -> Account:
        """The account, with its role as it is shipped, a token and the two files."""
        self.kubectl.ok("apply", "-f", str(ROOT / "deploy" / "rbac" / f"{self.role}.yaml"))
        name = f"metallb-conformance-{self.role}"
        token = self.kubectl.ok("-n", NAMESPACE, "create", "token", name, "--duration", "2h").strip()
        content = json.loads(self.lab.kubeconfig.read_text())
        content["users"][0]["user"] = {"token": token}
        self.kubeconfig.write_text(json.dumps(content))
        shipped = yaml.safe_load((ROOT / "clusters/profiles/lab.yaml").read_text())
        kept = {key: shipped[key] for key in ("pools", "spare_addresses", "consumers", "gitops")}
        kept["gitops"]["repository"] = str(ROOT / "examples" / "platform")
        profile = {
            "name": f"rbac-{self.role}", "provider": "existing", "kubeconfig": str(self.kubeconfig),
            "context": content["current-context"], "disposable": True, "allow": "disrupt",
            "vantage": f"netns:{self.lab.netns('client')}", **kept,
        }  # fmt: skip
        self.profile.write_text(yaml.safe_dump(profile))
        return self

    def run(self, *options: str) -> tuple[int, Json, str]:
        """A run of the suites as this account: exit code, results and output."""
        self._seen = {event["auditID"] for event in self._events()}
        report = self.folder / f"{self.role}-report"
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "suites",
            "--cluster",
            str(self.profile),
            "--allow",
            self.level,
        ]
        argv += ["--patience", "3", "--report-dir", str(report), "-p", "no:cacheprovider", *options]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=500, cwd=ROOT)
        return done.returncode, json.loads((report / "results.json").read_text()), done.stdout + done.stderr

    def asked(self) -> list[Json]:
        """The audit events of its last run, in their order."""
        return [event for event in self._events() if event["auditID"] not in self._seen]

    def written(self) -> list[Json]:
        """The same without reads."""
        return [event for event in self.asked() if event["verb"] not in {"get", "list", "watch"}]

    def _events(self) -> Iterator[Json]:
        for line in self.lab.audit_log.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event["user"]["username"] == self.user and event["stage"] == "ResponseComplete":
                yield event


def asks_for_itself(event: Json) -> bool:
    """Whether it is a review of the account's own permissions: a create by its verb, and nothing is stored."""
    return event.get("objectRef", {}).get("resource") in {
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
    }


def is_tried(event: Json) -> bool:
    """Whether it is a server-side dry run: the API server goes through it and stores nothing."""
    return "dryRun=All" in event["requestURI"]


def name_of(event: Json) -> tuple[str, str, str]:
    """What it is about: resource, namespace and name; of what was created, the name is in the object."""
    about = event["objectRef"]
    name = about.get("name") or event.get("requestObject", {}).get("metadata", {}).get("name", "")
    # A namespace is within itself when it is deleted, and nowhere when it is created.
    where = "" if about["resource"] == "namespaces" else about.get("namespace", "")
    return about["resource"], where, name
