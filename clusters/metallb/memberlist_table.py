"""The log lines that tell of speakers which do not see each other."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.metallb.signature_table import REJOIN_S, SPEAKER, Signature

_ML = "hashicorp/memberlist 0.5.1 (0.15) and 0.6.0 (0.16.2)"
_LIST = "internal/speakerlist/speakerlist.go"
_KEY, _CUT = CauseId.MEMBERLIST_KEY_MISMATCH, CauseId.MEMBERLIST_PARTITION

_TOLD_BY_MEMBERLIST = tuple(
    Signature(
        id=f"memberlist-{name}",
        cause=cause,
        where={"component": r"^Memberlist$", "msg": text},
        certain=certain,
        lasts=REJOIN_S,
        source=_ML,
        components=SPEAKER,
    )
    for name, cause, text, certain in (
        (
            "undecryptable",
            _KEY,
            r"(?i)^memberlist: (?:[\w ]+: )*no installed keys could decrypt the message",
            True,
        ),
        (
            "one-sided",
            _KEY,
            r"(?i)^memberlist: (?:[\w ]+: )*(?:remote state is (?:not )?encrypted|encryption is configured but)",
            True,
        ),
        (
            "udp-blocked",
            _CUT,
            r"^memberlist: Was able to connect to (?P<node>\S+) over TCP but UDP probes failed",
            True,
        ),
        # What follows also happens whenever a speaker ends or starts, and counts only while it goes on.
        ("suspect", _CUT, r"^memberlist: Suspect (?P<node>\S+) has failed, no acks received", False),
        ("failed", _CUT, r"^memberlist: Marking (?P<node>\S+) as failed, suspect timeout reached", False),
        (
            "refuting",
            _CUT,
            r"^memberlist: Refuting a (?:suspect|dead) message \(from: (?P<node>[^)]+)\)",
            False,
        ),
        ("push-pull", _CUT, r"^memberlist: Push/Pull with (?P<node>\S+) failed: ", False),
        ("send", _CUT, r"^memberlist: Failed (?:to send|fallback TCP ping)", False),
        ("conflict", _CUT, r"^memberlist: Conflicting address for (?P<node>\S+)\. Mine: ", False),
    )
)

_JOIN = (
    Signature(
        id="memberlist-join-undecryptable",
        cause=_KEY,
        where={"msg": r"^partial join$", "error": r"(?i)^\d+ errors? occurred:[\s\S]*(?:decrypt|encrypt)"},
        lasts=REJOIN_S,
        source=_LIST,
        components=SPEAKER,
    ),
    Signature(
        id="memberlist-partial-join",
        cause=_CUT,
        where={"msg": r"^partial join$"},
        certain=False,
        lasts=REJOIN_S,
        source=_LIST,
        components=SPEAKER,
    ),
)

MEMBERLIST = (*_TOLD_BY_MEMBERLIST, *_JOIN)
"""All rows, in the order in which they are tried."""
