"""Captured frames, sorted by what they say."""

from __future__ import annotations

from clusters.vantage import frames
from clusters.vantage.captured_frames import Wire, seconds
from clusters.vantage.frames import Asker
from clusters.vantage.vantage_data import Frame, mac

VIP = "10.0.0.100"
CLIENT, A, B = (mac(f"02:00:00:00:00:0{digit}") for digit in "9ab")
OWN = Asker(mac=CLIENT, address="10.0.0.9")
START = 1_700_000_000_000_000_000
MS = 1_000_000


def reply(owner: str, to: str) -> bytes:
    head = bytes.fromhex((to + owner).replace(":", "")) + bytes.fromhex("0806000108000604 0002")
    return head + bytes.fromhex(owner.replace(":", "") + "0a000064" + to.replace(":", "") + "0a000009")


def wire(*seen: tuple[int, bool, bytes]) -> Wire:
    made = Wire([OWN])
    for milliseconds, sent, data in seen:
        made.add(Frame(t_ns=START + milliseconds * MS, sent=sent, data=data))
    return made


def test_answers_are_matched_to_the_question_before_them() -> None:
    question = frames.question(VIP, OWN)
    seen = wire(
        (0, True, question), (1, False, reply(A, CLIENT)), (50, True, question), (51, False, reply(B, CLIENT))
    )
    assert seen.requests(VIP, START) == (0.0, 0.05)
    assert [(one.t, one.mac, one.round) for one in seen.replies(VIP, START)] == [(0.001, A, 0), (0.051, B, 1)]


def test_the_order_of_capture_does_not_matter() -> None:
    question = frames.question(VIP, OWN)
    seen = wire((1, False, reply(A, CLIENT)), (0, True, question))
    assert [one.round for one in seen.replies(VIP, START)] == [0]


def test_what_others_say_to_each_other_is_no_answer() -> None:
    seen = wire((0, True, frames.question(VIP, OWN)), (1, False, reply(A, B)))
    assert seen.replies(VIP, START) == ()


def test_questions_of_others_are_not_counted() -> None:
    other = Asker(mac=B, address="10.0.0.8")
    assert wire((0, False, frames.question(VIP, other))).requests(VIP, START) == ()


def test_unicast_requests_of_the_kernel_are_not_counted() -> None:
    unicast = bytes.fromhex(A.replace(":", "")) + frames.question(VIP, OWN)[6:]
    assert wire((0, True, unicast)).requests(VIP, START) == ()


def test_gratuitous_announcements_are_kept_with_their_kind() -> None:
    pair = [frames.announcement(VIP, A), frames.announcement(VIP, A, reply=True)]
    seen = wire((3, False, pair[1]), (2, False, pair[0]), (4, True, pair[0]))
    assert [(one.t, one.kind) for one in seen.gratuitous(VIP, START)] == [
        (0.002, "request"),
        (0.003, "reply"),
    ]


def test_other_frames_are_left_out() -> None:
    assert wire((0, False, b"\xff" * 60), (1, False, b"")).seen == {}


def test_seconds_are_exact_to_the_microsecond() -> None:
    assert seconds(START + 1_234_567_891, START) == 1.234568
