"""How large, deep, early or late what comes from outside may be: files, numbers, dates, times. One table.

Each figure is far beyond what is in use, and small enough that what keeps to it costs little memory and no
exception: what does not is refused with one sentence by whoever reads it. `content` reads a file no further than that.
"""

from __future__ import annotations

import datetime as dt
import gzip
import zlib
from pathlib import Path

KIB, MIB = 2**10, 2**20

#: An observation of 5,000 services has about 20 MiB.
SNAPSHOT_BYTES = 128 * MIB
#: Results of a run with every check and its evidence have less than 1 MiB; a fleet's file names its members.
RESULTS_BYTES = 64 * MIB
PROFILE_BYTES = MIB // 2
#: A configuration file inside an object (kube-proxy's, memberlist's): an object has 1.5 MiB at most.
CONFIGURATION_BYTES = 2 * MIB
#: What a host may say to who logs in before an agent's first word, and how long a message of an agent may be.
GREETING_BYTES, MESSAGE_BYTES = MIB, 16 * MIB
#: As much of the end of what a program said is looked at for the reason why it ended.
LAST_WORDS_BYTES = 64 * KIB

# What an API server answers, and what a login is made of. How long either may take are budgets (`api_connected`,
# `api_silent`, `api_answer`, `api_list`, `pod_answer`, `login_command`). A run in a pod has 512 MiB, and what is read
# of JSON takes about five times its size as objects.
#: One answer of JSON: a page of 500 objects of 128 KiB, where a pod has 10 KiB and a node with all its images 40.
ANSWER_BYTES = 64 * MIB
#: All pages of one list: 5,000 services with their slices are 30 MiB, 5,000 pods 60.
LIST_BYTES = 256 * MIB
#: Pages of 500; as many as 500,000 objects have.
LIST_PAGES = 1000
#: One event of a watch: etcd takes no object of more than 1.5 MiB, which JSON may double.
EVENT_BYTES = 8 * MIB
#: What is read of a refusal: a Status with a long list of causes; the rest of a proxy's page says nothing more.
REFUSAL_BYTES = 256 * KIB
#: What a sentence shows of a text that somebody else wrote.
LONGEST_EXCERPT = 500
#: Characters of the API server's own words; the longest validation of an object stays below.
LONGEST_MESSAGE = 8 * KIB
#: A container's log, asked for with `limitBytes`: 200 lines of the longest that a kubelet writes (16 KiB) are 3 MiB.
LOG_BYTES = 16 * MIB
#: What a pod answers: /metrics of a speaker that announces 5,000 services is 2 MiB.
POD_ANSWER_BYTES = 16 * MIB
#: What the API server's own paths (/readyz, /version, /apis) answer.
PATH_ANSWER_BYTES = 16 * MIB
#: How far beyond what was asked for an answer may go in headers and framing.
FRAMING_BYTES = 64 * KIB

#: A kubeconfig: 500 clusters with their certificates inline are 3 MiB.
KUBECONFIG_BYTES = 4 * MIB
#: A token, a certificate or a key in a file of its own: an authority's bundle of all public roots is 250 KiB.
CREDENTIAL_BYTES = 1 * MIB
#: What a login command prints.
LOGIN_COMMAND_BYTES = 1 * MIB

#: How long a check can have taken, and the largest figure that it can have measured.
LONGEST_CHECK, LARGEST_FIGURE = 366 * 24 * 3600.0, 1e15

#: Nesting of JSON: the limit that pydantic's reader has built in. No object of Kubernetes comes near it.
DEPTH = 200
#: Nesting of YAML, whose reader takes several steps of Python's stack for each.
YAML_DEPTH = 100
#: What a YAML text may amount to once its aliases are followed.
YAML_NODES = 100_000

#: Kubernetes' numbers are 64 bits wide.
NUMBER = 2**63 - 1
#: A budget is a time that somebody waits for; the longest say how old a validation may be.
SHORTEST_BUDGET, LONGEST_BUDGET = 0.001, 366 * 24 * 3600.0
#: How often a measured check is repeated, and what all budgets are multiplied by.
LARGEST_FACTOR = 1000.0
#: Addresses that a run leaves free in the pools.
MOST_RESERVED = 2**32
#: Characters of an error's text: what somebody wrote is quoted in it, and may be of any length.
LONGEST_SENTENCE = 8000
#: Mistakes in one file that are told one by one.
MOST_TOLD = 20

#: Kubernetes is younger than the first, and with the second there is room for clocks that are wrong and for waivers.
EARLIEST, LATEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)

_GZIP_MAGIC = b"\x1f\x8b"


class Unusable(ValueError):  # noqa: N818 - it says what the content is
    """Content that cannot be used. The reason is a part of a sentence."""


def content(path: Path, *, most: int) -> bytes:
    """The bytes of a file, unpacked where it is gzipped.

    Raises OSError, and Unusable for more than `most` bytes or for compressed data that is damaged.
    """
    try:
        opened = path.open("rb")
    except ValueError:
        raise Unusable("no file can have such a name") from None
    with opened as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        try:
            data = gzip.GzipFile(fileobj=file).read(most + 1) if packed else file.read(most + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise Unusable("its compressed data ends early or is damaged") from None
    if len(data) > most:
        raise Unusable(f"it holds more than {size(most)}")
    return data


def size(limit: int) -> str:
    """A limit as a sentence says it: "64 MiB"."""
    return f"{limit // MIB} MiB" if limit >= MIB else f"{limit // KIB} KiB"
