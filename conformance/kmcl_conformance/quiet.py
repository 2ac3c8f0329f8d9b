"""What each observer is told when the implementation falls silent: what excuses silence."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cache
from typing import Any, Final

from kmcl_model.spec import Node, Quiet
from kmcl_model.spec.endpoint import phase

__all__ = [
    "DRAINED",
    "PLAIN",
    "UNKNOWN",
    "UNKNOWN_BUSY",
    "facts_of",
    "told_to_endpoint",
    "told_to_flow",
    "told_to_packets",
]

PLAIN: Final = Quiet("quiescence", ())

Summary = tuple[Hashable, ...]
"""What a flow tells: for each state whether there is room, whether packets are on their way,
whether it is stopped, at its quota, blocked by it, and whether anything is outstanding at all."""


UNKNOWN: Final = ((False, True, False, False, False, False),)
"""Of a direction whose receiver is not observed and whose sender awaits nothing."""

UNKNOWN_BUSY: Final = ((False, True, False, False, False, True),)
"""The same, but for packets on their way, perhaps."""


DRAINED: Final = ((True, True, False, False, False, True),)
"""Of a direction whose receiver is not observed, and known to take what there is."""


def facts_of(endpoint: Node, arriving: Summary) -> frozenset[str]:
    """Of an endpoint and the flow towards it: ``busy`` with a handler, surely ``running``, or
    ``standing``, so that completions of its own packets may be held up, ``posting``: PostStarted
    surely runs, or ``paused`` by a Pause that has returned. ``only processing`` and ``only
    posting``: it runs but for one ProcessPacket, or one PostStarted, that has not returned."""
    facts: frozenset[str] | None = endpoint.notes.get("facts")
    if facts is None:
        facts = endpoint.notes["facts"] = _endpoint_facts(endpoint)
    return _with_flow(facts, arriving)


def _endpoint_facts(node: Node) -> frozenset[str]:
    facts = set()
    states: Iterable[Any] = node.states
    if any(
        s.indicated
        or s.others
        or s.post_running
        or s.early_started == 1
        or s.connection in ("opening", "closing")
        or s.run in ("starting", "suspending")
        for s in states
    ):
        facts.add("busy")
    if all(s.post_running for s in states):
        facts.add("posting")
    running = all(
        s.connection == "open" and s.run == "started" and not phase(s).stopping for s in states
    )
    if running:
        facts.add("running")
        if all(s.indicated == 1 and not (s.others or s.post_running) for s in states):
            facts.add("only processing")
        if all(s.post_running == 1 and not (s.others or s.indicated) for s in states):
            facts.add("only posting")
    if all(s.connection == "open" and s.run == s.want == "paused" and not s.calls for s in states):
        facts.add("paused")
    if not running or any(s.indicated or s.others for s in states):
        facts.add("standing")
    return frozenset(facts)


@cache
def _with_flow(facts: frozenset[str], arriving: Any) -> frozenset[str]:
    standing = any(stopped or (full and waits) for _, waits, stopped, full, *_ in arriving)
    return facts | {"standing"} if standing else facts


@cache
def told_to_endpoint(waiting: bool, out: Any, arriving: Any) -> Quiet:
    """``waiting``: some of its packets are not completed; ``arriving``: what comes to it."""
    facts = []
    if waiting or any(under_way for *_, under_way in out):
        facts.append("waiting")
    if all(waits for _, waits, *_ in arriving):
        facts.append("incoming")
    return Quiet("quiescence", tuple(facts))


@cache
def told_to_flow(receiver: frozenset[str], sender: frozenset[str]) -> Quiet:
    """Whether the receiver is ``busy``, ``processing`` or ``posting`` and nothing else, and the
    ``sender running``."""
    facts: list[str] = [fact for fact in ("busy",) if fact in receiver]
    facts += [fact for fact in ("processing", "posting") if f"only {fact}" in receiver]
    if "running" in sender:
        facts.append("sender running")
    return Quiet("quiescence", tuple(facts))


@cache
def told_to_packets(mine: frozenset[str], theirs: frozenset[str], out: Any) -> Quiet:
    """Whether the ring may be ``full``, the ``peer paused``, the ``peer free`` to take a packet
    that fits the ring, or the ring surely ``drained``; and what the packets' own end is doing."""
    facts: list[str] = [fact for fact in ("busy", "standing", "posting", "paused") if fact in mine]
    if not all(room for room, *_ in out):
        facts.append("full")
    if "running" not in theirs:
        facts.append("peer paused")
    elif "busy" not in theirs:
        if "running" in mine and not any(o[1] or o[2] for o in out):
            facts.append("drained")
        if all(room and not (stopped or full or held) for room, _, stopped, full, held, _ in out):
            facts.append("peer free")
    return Quiet("quiescence", tuple(facts))
