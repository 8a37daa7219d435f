"""How large an answer may become, in one table: whoever answers decides what it sends, this decides what is read.

The seconds are budgets (`api_connected`, `api_silent`, `api_answer`, `api_list`, `pod_answer`, `login_command`). A run
in a pod has 512 MiB; what is read of JSON takes about five times its size as objects.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1 << 10
MIB: Final = 1 << 20

#: One answer of JSON: a page of 500 objects of 128 KiB, where a pod has 10 KiB and a node with all its images 40.
ANSWER: Final = 64 * MIB
#: All pages of one list: 5,000 services with their slices are 30 MiB, 5,000 pods 60.
LIST: Final = 256 * MIB
#: Pages of 500; as many as 500,000 objects have.
PAGES: Final = 1000
#: One event of a watch: etcd takes no object of more than 1.5 MiB, which JSON may double.
EVENT: Final = 8 * MIB
#: What is read of a refusal: a Status with a long list of causes; the rest of a proxy's page says nothing more.
REFUSAL: Final = 256 * KIB
#: What a sentence shows of a text that somebody else wrote.
SHOWN: Final = 500
#: Characters of the API server's own words; the longest validation of an object stays below.
MESSAGE: Final = 8 * KIB
#: A container's log, asked for with `limitBytes`: 200 lines of the longest that a kubelet writes (16 KiB) are 3 MiB.
LOG: Final = 16 * MIB
#: What a pod answers: /metrics of a speaker that announces 5,000 services is 2 MiB.
POD: Final = 16 * MIB
#: What the API server's own paths (/readyz, /version, /apis) answer.
PATH: Final = 16 * MIB
#: How far beyond what was asked for an answer may go in headers and framing.
FRAMING: Final = 64 * KIB

#: A kubeconfig: 500 clusters with their certificates inline are 3 MiB.
KUBECONFIG: Final = 4 * MIB
#: A token, a certificate or a key in a file of its own: an authority's bundle of all public roots is 250 KiB.
CREDENTIAL: Final = 1 * MIB
#: What a login command prints.
LOGIN_COMMAND: Final = 1 * MIB


def size(limit: int) -> str:
    """A limit as a sentence says it: "64 MiB"."""
    return f"{limit // MIB} MiB" if limit >= MIB else f"{limit // KIB} KiB"
