"""Tokens of service accounts, asked of the API server by a TokenRequest and kept for a few minutes.

https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

from __future__ import annotations

import json
import time
from threading import Lock

from clusters.api.answers import Asked
from clusters.api.resources import SERVICE_ACCOUNTS
from clusters.api.transport import Request, Transport

#: How long a token is to live: the least that an API server gives.
LIVES = 600
#: A token is used for half of that, so that none ends on its way.
_USED = LIVES / 2


class AccountTokens:
    """The tokens that one login was given. Threads may share it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._kept: dict[tuple[str, str], tuple[str, float]] = {}
        self._asking = Lock()

    def get(self, namespace: str, name: str) -> str:
        """A token of service account `namespace`/`name`, the same one until half of its time is over.

        It is bound to the API server's own audiences, which a request gets that names none. A narrower one is
        possible and of no use here: who asks by a TokenReview without audiences, as controller-runtime's
        WithAuthenticationAndAuthorization does and so MetalLB, is told only of tokens for the API server's own.
        What keeps such a token harmless is that its account may do nothing else.
        """
        with self._asking:
            token, until = self._kept.get((namespace, name), ("", 0.0))
            if time.monotonic() >= until:
                until = time.monotonic() + _USED
                token = self._asked(namespace, name)
                self._kept[namespace, name] = token, until
        return token

    def _asked(self, namespace: str, name: str) -> str:
        path = SERVICE_ACCOUNTS.path(namespace, name, "token")
        asked = Asked(verb="create", path=path, resource=SERVICE_ACCOUNTS, namespace=namespace, name=name)
        spec = {"expirationSeconds": LIVES}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = self._transport.send(Request(asked=asked, method="POST", body=body))
        return str(json.loads(answer)["status"]["token"])
