"""What the programmable host can do with a real guest, step by step, and how long it takes.

Each step is checked: a figure of something that did not work would be worth nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from kmcl_adapters.host.channel import TEST_CLASS, State

from .channel import Job
from .frames import Kind
from .growth import LEAST_WORK, leaks_of
from .lab import Lab
from .measure import has_leaked, printed_by
from .problem import LabProblem
from .wire import COMPLETION

__all__ = ["Conversation", "check_host", "exchange_in_cycles", "offer_again"]

_SECONDS: Final = 60.0
_ROUND_TRIPS: Final = 200
_MOMENT: Final = "bound"
_WARM_UP: Final = 3
_FEW: Final = 50
"""Cycles at a time on the way to a full trace."""
_KIB_EACH: Final = 1
"""A cycle that costs the host more memory than this on average leaks: what it keeps of one channel,
its page list above all, is some ten times as much."""


class Conversation:
    """``kmcl_lab.talk`` on a device of the guest, which it opens, or on a subchannel of it.

    Raises LabProblem.
    """

    def __init__(self, lab: Lab, device: str, subchannel: int = 0) -> None:
        more = [str(subchannel)] if subchannel else []
        self._job: Job = lab.guest.start(["python3", "-m", "kmcl_lab.talk", device, *more])
        self._answers = self._lines()
        self.opened = next(self._answers)

    def _lines(self) -> Iterator[dict[str, Any]]:
        text = said = b""
        for kind, body in self._job.parts(_SECONDS):
            if kind == Kind.ERRORS:
                said += body
                continue
            *lines, text = (text + body).split(b"\n")
            for line in lines:
                yield json.loads(line)
        words = said.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise LabProblem(f"the endpoint in the guest has ended: {' '.join(words)}")

    def begin(self, do: str, **more: Any) -> None:
        """Give an order."""
        self._job.write(json.dumps({"do": do} | more).encode() + b"\n")

    def end(self) -> dict[str, Any]:
        """Its answer."""
        return next(self._answers)

    def order(self, do: str, **more: Any) -> dict[str, Any]:
        """Both."""
        self.begin(do, **more)
        return self.end()

    def close(self) -> None:
        """Close the channel and end."""
        self.order("close")
        self._job.end_input()
        for _ in self._job.parts(_SECONDS):
            pass


def _expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise LabProblem(f"{what}: {found}, expected {wanted}")


def _entries(lab: Lab) -> int:
    return int(lab.ask_host("figures")["trace"])


def _exchange(lab: Lab, talk: Conversation, relid: int) -> None:
    """A request, what the host finds, and the completion that it sends."""
    talk.order("send", payload=b"question".hex(), transaction=7, flags=1)
    packet = lab.ask_host("receive", relid=relid)
    _expect((packet["transaction"], packet["flags"]), (7, 1), "the request at the host")
    _expect(bytes.fromhex(packet["payload"]), b"question", "its payload")
    lab.ask_host("put", relid=relid, kind=COMPLETION, transaction=7, payload=b"answered".hex())
    answer = talk.order("receive")
    _expect((answer["kind"], answer["transaction"]), (COMPLETION, 7), "the completion")
    _expect(bytes.fromhex(answer["payload"]), b"answered", "its payload")


def check_host(lab: Lab, rewinds: int = 5) -> dict[str, Any]:
    """Bind, open, exchange, rescind, offer again, save, and go back so many times; the figures, in
    seconds. ``lab`` runs with the programmable host. Raises LabProblem where something is wrong."""
    figures: dict[str, Any] = {"ready": lab.account().ready_after}
    started = time.monotonic()
    device, first = _present(lab)
    figures["bind"] = _since(started)
    relid, instance = first["relid"], first["instance"]
    talk = Conversation(lab, device)
    _expect(talk.opened, {"open": device}, "the endpoint")
    _exchange(lab, talk, relid)
    lab.ask_host("answer", relid=relid)
    found = talk.order("exchange", count=_ROUND_TRIPS)
    if "seconds" not in found:
        raise LabProblem(f"round trips: {found}")
    figures["request_and_completion"] = round(found["seconds"], 5)
    figures |= _rescind_and_offer_again(lab, talk, relid, instance)
    started = time.monotonic()
    lab.save(_MOMENT)
    figures["save"] = _since(started)
    figures["rewind"] = [_rewound(lab, device) for _ in range(rewinds)]
    return figures


def offer_again(lab: Lab, count: int) -> dict[str, Any]:
    """Rescind the one device and offer the same instance again, so many times, each until the
    guest's driver has it; seconds for one, and what the guest and the host have lost. Raises
    LabProblem."""
    device, channel = _present(lab)
    relid, instance = channel["relid"], channel["instance"]

    def once() -> None:
        nonlocal relid, device
        since = _entries(lab)
        lab.ask_host("rescind", relid=relid)
        lab.ask_host("wait-for", name="RELID_RELEASED", since=since, child_relid=relid)
        relid = lab.ask_host("offer", class_id=TEST_CLASS, instance=instance)["relid"]
        device = lab.bind(instance)

    _warm_up(lab, once, count)
    before, started = _kept(lab), time.monotonic()
    for _ in range(count):
        once()
    seconds = time.monotonic() - started
    after = _kept(lab)
    talk = Conversation(lab, device)
    _exchange(lab, talk, relid)
    talk.close()
    figures: dict[str, Any] = {"offers": count, "seconds_each": round(seconds / count, 3)}
    return {"offers": figures | _growth(before, after, count)}


def exchange_in_cycles(lab: Lab, count: int) -> dict[str, Any]:
    """Open, send a request, hear its completion, close, so many times, by ``kmcl_lab.cycles`` in
    the guest; how many of these a second, and what guest and host have lost. Raises LabProblem."""
    device, channel = _present(lab)
    lab.ask_host("answer", relid=channel["relid"])
    command = ["python3", "-m", "kmcl_lab.cycles", device]
    _warm_up(lab, lambda: printed_by(lab, [*command, str(_FEW), "exchange"]), count)
    before = _kept(lab)
    figures = printed_by(lab, [*command, str(count), "exchange"])
    after = _kept(lab)
    own = {"before": figures.pop("before"), "after": figures.pop("after")}
    figures |= _growth(before, after, count)
    if has_leaked(own | {"cycles": count}):
        figures["leaks"] = [*figures["leaks"], "the endpoint in the guest"]
    return {"cycles": figures | {"endpoint": own}}


def _warm_up(lab: Lab, work: Callable[[], object], count: int) -> None:
    """Work before it counts: what is allocated once is no leak, nor is a trace that fills up. It is
    filled only where so much follows that something is said of leaks. A cycle says little, an offer
    much: after offers it is full."""
    for _ in range(_WARM_UP):
        work()
    while count >= LEAST_WORK and not lab.ask_host("resources")["settled"]:
        work()


def _growth(before: dict[str, int], after: dict[str, int], count: int) -> dict[str, Any]:
    """What host and guest hold more than before; what the guest's kernel has lost is told, and is
    nobody's fault here. ``leaks``: None where the count is too small to tell."""
    lost = before["guest_free_kib"] - after["guest_free_kib"]
    return {
        "before": before,
        "after": after,
        "growth": {name: after[name] - before[name] for name in before},
        "guest_bytes_lost_a_cycle": round(lost * 1024 / count),
        "leaks": leaks_of(before, after, count, _KIB_EACH) if count >= LEAST_WORK else None,
    }


def _kept(lab: Lab) -> dict[str, int]:
    """What the host holds, and what the guest's kernel could give away."""
    script = "echo 3 > /proc/sys/vm/drop_caches; grep MemAvailable /proc/meminfo"
    text = lab.guest.run(["sh", "-c", script]).output.decode()
    held: dict[str, int] = lab.ask_host("resources")
    del held["settled"]
    return held | {"guest_free_kib": int(text.split()[1])}


def _present(lab: Lab) -> tuple[str, dict[str, Any]]:
    """The device of the one channel that the host offers, bound, and the channel; it is offered
    where there is none. Raises LabProblem."""
    for channel in lab.ask_host("channels"):
        if channel["state"] == State.RESCINDED:  # by whoever was here before
            lab.ask_host("wait-for", name="RELID_RELEASED", child_relid=channel["relid"])
    if not lab.ask_host("channels"):
        lab.ask_host("offer", class_id=TEST_CLASS)
    (channel,) = lab.ask_host("channels")
    return lab.bind(channel["instance"]), channel


def _rescind_and_offer_again(
    lab: Lab, talk: Conversation, relid: int, instance: str
) -> dict[str, float]:
    talk.begin("wait", limit=_SECONDS)
    since, started = _entries(lab), time.monotonic()
    lab.ask_host("rescind", relid=relid)
    answer = talk.end()
    while answer == {"signalled": True}:  # what was on its way to another processor
        answer = talk.order("wait", limit=_SECONDS)
    _expect(answer, {"errno": "EIO"}, "a reader whose channel is rescinded")
    lab.ask_host("wait-for", name="RELID_RELEASED", since=since, child_relid=relid)
    figures = {"rescind": _since(started)}
    started = time.monotonic()
    again = lab.ask_host("offer", class_id=TEST_CLASS, instance=instance)
    device = lab.bind(instance)
    figures["offer"] = _since(started)
    if again["relid"] == relid:
        raise LabProblem("the instance came back under the id that it had")
    second = Conversation(lab, device)
    _exchange(lab, second, again["relid"])
    second.close()
    return figures


def _rewound(lab: Lab, device: str) -> float:
    """Seconds to the saved moment, up to the guest's first answer; then the channel works."""
    started = time.monotonic()
    lab.rewind(_MOMENT)
    _expect(lab.guest.run(["true"]).code, 0, "a command after rewinding")
    seconds = _since(started)
    (channel,) = lab.ask_host("channels")
    talk = Conversation(lab, device)
    _exchange(lab, talk, channel["relid"])
    lab.ask_host("rescind", relid=channel["relid"])  # which the next rewinding takes back
    return seconds


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
