"""Asking a segment who has an address, or many, and proving that its answers would be seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from clusters import budgets, wait
from clusters.vantage import frames
from clusters.vantage.captured_frames import Wire
from clusters.vantage.client import Client, Message, Task
from clusters.vantage.frames import Asker
from clusters.vantage.vantage_data import Answers, Control, Frame, Interface, VantageError

CONTROL_ROUNDS, CONTROL_EVERY = 3, 0.1
LONGEST_SILENCE = 3.0
"""For how long (s) all living neighbours may be silent; a measurement asks them four times a second."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What was captured while questions were asked."""

    wire: Wire
    frames: tuple[Frame, ...]
    began_ns: int


@contextlib.contextmanager
def capture(client: Client, interface: str, askers: Iterable[Asker], *, at_most: float) -> Iterator[Task]:
    """Capture ARP and neighbour discovery on `interface` during the block, answers to phantoms too."""
    task = client.start(
        "capture",
        interface=interface,
        bpf=frames.ARP_AND_ND,
        unicast=[asker.mac for asker in askers if asker.phantom],
        **{"for": at_most},
    ).until_started()
    try:
        yield task
    finally:
        with contextlib.suppress(VantageError):  # an agent that is gone captures nothing more
            task.stop()
            task.done.wait(budgets.seconds(budgets.CAPTURE_ENDED))


def frames_of(messages: Iterable[Message]) -> list[Frame]:
    """The frames among a capture's messages."""
    return [
        Frame(t_ns=one["t"], sent=one["out"], data=bytes.fromhex(one["hex"]))
        for one in messages
        if one["event"] == "frame"
    ]


def ask(
    client: Client,
    interface: Interface,
    questions: Sequence[bytes],
    *,
    asker: Asker,
    count: int,
    every: float,
    until: budgets.Budget = budgets.FRAMES_ARRIVED,
) -> Heard:
    """Send `count` questions, the given ones in turn, one every `every` s, and hear what comes back.

    After the last one it listens for as long as the budget `until`.
    """
    began_ns = client.now_ns()
    limit = count * every + 30
    with capture(client, interface.name, [asker], at_most=limit + 30) as task:
        sending = client.start(
            "send",
            interface=interface.name,
            frames=[frame.hex() for frame in questions],
            every=every,
            count=count,
            **{"for": limit},
        )
        sending.until_started().until_done(limit + 10)
        wait.pause(budgets.get(until))
    heard = frames_of(task.messages)
    wire = Wire([asker])
    for frame in heard:
        wire.add(frame)
    return Heard(wire=wire, frames=tuple(heard), began_ns=began_ns)


def answers(heard: Heard, address: str, *, vantage: str) -> Answers:
    """What was heard of one address; VantageError where no question was seen leaving, so silence means nothing."""
    asked = heard.wire.requests(address, heard.began_ns)
    if not asked:
        raise VantageError(
            f"Vantage {vantage} did not see its questions for {address} leave, so silence means nothing."
        )
    return Answers(address=address, rounds=len(asked), replies=heard.wire.replies(address, heard.began_ns))


def control(
    client: Client, route: Interface, neighbours: list[str], candidates: Iterable[Asker]
) -> tuple[Asker | None, Control]:
    """Ask living neighbours as each candidate in turn: the first that they answer, and the last verdict."""
    verdict = Control(ok=False, reason="nothing was asked")
    count, every = len(neighbours) * CONTROL_ROUNDS, max(CONTROL_EVERY / len(neighbours), 0.005)
    for asker in candidates:
        suited = frames.suited(asker, neighbours[0], route)
        questions = [frames.question(address, suited) for address in neighbours]
        heard = ask(client, route, questions, asker=suited, count=count, every=every)
        end = count * every
        verdict = judge(heard.wire, neighbours, asked=count, began_ns=heard.began_ns, end=end)
        if verdict.ok:
            return asker, verdict
    return None, verdict


def judge(wire: Wire, neighbours: Sequence[str], *, asked: int, began_ns: int, end: float) -> Control:
    """Whether the capture is proved: it saw our questions leave, and a neighbour that lives answer."""
    names = ", ".join(neighbours)
    seen = sum(len(wire.requests(address, began_ns)) for address in neighbours)
    times = sorted(reply.t for address in neighbours for reply in wire.replies(address, began_ns))
    silence = max((later - earlier for earlier, later in pairwise([0.0, *times, end])), default=end)
    if not neighbours:
        reason = "no neighbour was named whose answers would prove that the capture sees any"
    elif not seen:
        reason = f"none of its own questions for {names} was seen leaving"
    elif not times:
        reason = f"its {seen} questions for {names} were seen leaving, but no answer came back"
    elif silence > LONGEST_SILENCE:
        reason = (
            f"{names} did not answer for {silence:.1f} s, so what was seen then may be the vantage's trouble"
        )
    else:
        reason = f"{len(times)} answers of {names} were seen to {seen} questions"
    return Control(
        ok=bool(seen and times) and silence <= LONGEST_SILENCE,
        reason=reason,
        asked=asked,
        seen=seen,
        answered=len(times),
        longest_silence=round(silence, 6),
    )
