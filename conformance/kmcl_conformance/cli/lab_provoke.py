"""``kmcl lab certify --provoke``: conversations during which the driver is unbound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from kmcl_adapters import Adapter, AdapterError
from kmcl_conformance.plan import Plan
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import replay
from kmcl_lab.lab import Lab
from kmcl_lab.problem import LabProblem
from kmcl_lab.provoke import kernel_complaints, provoked, provoking
from kmcl_model.api import COMPLETION_ROUTINE
from kmcl_model.events import Call, Enter, Event, Return
from kmcl_model.status import is_success
from kmcl_model.stimuli import Stimulus

from .output import Code

__all__ = ["PROFILE", "PROVOCATIONS", "code_of", "conversations", "provoke", "unended", "words_of"]

PROVOCATIONS: Final = (
    "pause while processing, from the client",
    "work in flight, from the client",
    "queue at close, from the client",
)
"""With few packets that nobody has completed, with some of all sizes, and with large ones."""
PROFILE: Final = PROFILES["client-uio"]
"""Nothing is known of the host any more: it was not told."""


def conversations() -> dict[str, tuple[Stimulus, ...]]:
    """Those that are provoked, by their names."""
    tours = {tour.name: tour.stimuli for tour in Plan(1, ends=PROFILE.ends).tours}
    return {name: tuple(provoked(tours[name]) or ()) for name in PROVOCATIONS}


def unended(events: Iterable[Event]) -> list[str]:
    """Packets that were sent, and have not ended when the client rests after it was closed (F132,
    F181, A92).

    A judge for whom the host may leave at any time cannot tell them from packets that are still
    queued, which a close may keep (A91). Here the host has taken all that was sent.
    """
    sending: dict[str, str] = {}
    flying: dict[str, None] = {}
    for event in events:
        if isinstance(event, Call) and event.function == "VmbPacketSend":
            sending[event.by] = str(event.arguments[0])
            flying[sending[event.by]] = None
        elif isinstance(event, Return) and event.function == "VmbPacketSend":
            packet = sending.pop(event.by)
            if event.status is None or not is_success(event.status):
                flying.pop(packet, None)
        elif isinstance(event, Enter) and event.callback == COMPLETION_ROUTINE:
            flying.pop(str(event.arguments[0]), None)
        elif isinstance(event, Call) and event.function == "VmbChannelDisable":
            break
    return [*flying]


def provoke(running: Lab, make: Callable[[Lab], Adapter] = provoking) -> list[dict[str, Any]]:
    """Play each, on a guest that is started afresh after it; what came of it. Where the guest is
    lost on the way nothing can be said of the endpoint: ``inconclusive`` tells why."""
    told, gone = [], ""
    for name, stimuli in conversations().items():
        found: dict[str, Any] = {"handlers": [], "kernel": [], "failure": [], "inconclusive": gone}
        found["conversation"] = name
        told.append(found)
        if not gone:
            found |= _played(running, stimuli, make)
            gone = _started_afresh(running)
    return told


def _played(
    running: Lab, stimuli: tuple[Stimulus, ...], make: Callable[[Lab], Adapter]
) -> dict[str, Any]:
    adapter = make(running)
    try:
        # What the kernel takes away ends a packet somewhat later, and no judge misses it.
        outcome = replay(adapter, PROFILE.specification(), stimuli, slowly=True)
    except (AdapterError, LabProblem) as problem:
        return {"inconclusive": str(running.lost or problem)}
    finally:
        adapter.close()
    failure = outcome.failure
    if failure is not None and failure.event[0] == "lost" and running.lost is not None:
        return {"inconclusive": str(running.lost)}
    words = [broken.words for broken in failure.broken] if failure is not None else []
    words += [f"{packet} has never ended" for packet in unended(outcome.events)]
    handlers = [e.activation for e in outcome.events if isinstance(e, Enter)]
    try:
        complaints = kernel_complaints(running)
    except LabProblem as problem:
        complaints = [str(problem)]
    return {"handlers": handlers, "kernel": complaints, "failure": words}


def _started_afresh(running: Lab) -> str:
    """What the kernel keeps of such a channel is not the next conversation's business. Why there
    is no guest any more; empty where there is."""
    lost: LabProblem | None = running.lost
    if lost is None:
        try:
            running.reset()
        except LabProblem as problem:
            lost = problem
    if lost is not None:
        try:
            running.restart(str(lost))
        except LabProblem as problem:
            return str(problem)
    return ""


def words_of(told: dict[str, Any]) -> str:
    """One line for people."""
    under = f"unbound under {told['conversation']}: "
    if told["inconclusive"]:
        return f"{under}inconclusive: {told['inconclusive']}"
    verdict = f"not as it must: {'; '.join(told['failure'])}" if told["failure"] else "as it must"
    kernel = f"; the guest's kernel: {told['kernel'][0]}" if told["kernel"] else ""
    return f"{under}the endpoint behaves {verdict}{kernel}"


def code_of(campaign: Code, told: Iterable[dict[str, Any]]) -> Code:
    """The exit code of both: what was violated stands, whatever could not be judged."""
    codes = {campaign}
    for one in told:
        codes |= {Code.VIOLATIONS} if one["failure"] else set()
        codes |= {Code.UNJUDGED} if one["inconclusive"] else set()
    return Code.VIOLATIONS if Code.VIOLATIONS in codes else max(codes)
