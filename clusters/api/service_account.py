"""The login of a pod: its service account, as a kubeconfig with the context `in-cluster`.

https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
"""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path

CONTEXT = "in-cluster"
#: Where the kubelet mounts what a pod logs in with.
MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def kubeconfig(mounted: Path = MOUNTED) -> Path | None:
    """A kubeconfig for the pod that this process runs in, or None outside of a pod.

    It names the files of the token and of the authority, so that a renewed token is read anew.
    """
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not (host and port and (mounted / "token").is_file()):
        return None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return _written(server, mounted)


@cache
def _written(server: str, mounted: Path) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [
            {
                "name": CONTEXT,
                "cluster": {"server": server, "certificate-authority": str(mounted / "ca.crt")},
            }
        ],
        "users": [{"name": "service-account", "user": {"tokenFile": str(mounted / "token")}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "service-account"}}],
    }
    # JSON is YAML. A name of our own in a folder that others may write to is never followed, but made.
    path = Path(tempfile.mkdtemp(prefix="metallb-conformance-")) / "kubeconfig"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
