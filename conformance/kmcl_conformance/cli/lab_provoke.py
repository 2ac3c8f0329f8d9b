"""``kmcl lab certify --provoke``: conversations during which the driver is unbound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from kmcl_adapters import Adapter, AdapterError
from kmcl_conformance.plan import Plan
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import Outcome, replay
from kmcl_lab.lab import Lab
from kmcl_lab.problem import LabProblem
from kmcl_lab.provoke import kernel_complaints, provoked, provoking
from kmcl_model.api import COMPLETION_ROUTINE
from kmcl_model.events import Call, Enter, Event, Return
from kmcl_model.status import is_success
from kmcl_model.stimuli import Stimulus

from .lab_sessions import INTERRUPTED, Played, failed, loss_of, seen_again, unjudged

__all__ = ["PROFILE", "PROVOCATIONS", "conversations", "provoke", "unended", "words_of"]

PROVOCATIONS: Final = (
    "pause while processing, from the client",
    "work in flight, from the client",
    "queue at close, from the client",
)
"""With few packets that nobody has completed, with some of all sizes, and with large ones."""
PROFILE: Final = PROFILES["client-uio"]
"""Nothing is known of the host any more: it was not told."""
_AGAIN: Final = "--provoke --minutes 0"
_ENDING: Final = ("F132", "F181")
"""What a packet breaks that never ends: its completion routine has not run, and yet the channel is
disabled."""


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


def provoke(running: Lab, make: Callable[[Lab], Adapter] = provoking) -> list[Played]:
    """Play each, on a guest that is started afresh after it; what came of it. What goes wrong is
    played once more. Where the guest is lost on the way nothing can be said of the endpoint:
    ``inconclusive`` tells why."""
    done, gone = [], ""
    for name, stimuli in conversations().items():
        told: dict[str, Any] = {"handlers": [], "kernel": [], "failure": [], "inconclusive": ""}
        told["conversation"] = name
        nothing = Outcome(stimuli, (), None, 0)
        fresh = Played(f"unbound under {name}", _AGAIN, PROFILE, told, nothing)
        played = unjudged(fresh, gone or INTERRUPTED, stimuli)
        try:
            if not gone:
                played = _played(running, fresh, stimuli, make)
                gone = _started_afresh(running)
            if played.told["failure"] and not gone:
                played = seen_again(played, _played(running, fresh, stimuli, make))
                gone = _started_afresh(running)
        except KeyboardInterrupt:
            gone = INTERRUPTED
        done.append(played)
    return done


def _played(
    running: Lab, fresh: Played, stimuli: tuple[Stimulus, ...], make: Callable[[Lab], Adapter]
) -> Played:
    adapter = make(running)
    try:
        # What the kernel takes away ends a packet somewhat later, and no judge misses it.
        outcome = replay(adapter, PROFILE.specification(), stimuli, slowly=True)
    except (AdapterError, LabProblem) as problem:
        return unjudged(fresh, str(loss_of(running) or problem), stimuli)
    finally:
        adapter.close()
    log, failure, lost = running.last_words(), outcome.failure, loss_of(running)
    if failure is not None and failure.event[0] == "lost" and lost is not None:
        return unjudged(fresh, str(lost), outcome.stimuli, outcome.events)._replace(log=log)
    if failure is None and (packets := unended(outcome.events)):
        words = [f"{packet} has never ended" for packet in packets]
        failure = failed(outcome.events, "never-ended", words, _ENDING)
    handlers = [e.activation for e in outcome.events if isinstance(e, Enter)]
    try:
        complaints = kernel_complaints(running)
    except LabProblem as problem:
        complaints = [str(problem)]
    words = [broken.words for broken in failure.broken] if failure is not None else []
    told = {"handlers": handlers, "kernel": complaints, "failure": words, "inconclusive": ""}
    return fresh._replace(
        told=fresh.told | told, outcome=outcome._replace(failure=failure), log=log
    )


def _started_afresh(running: Lab) -> str:
    """What the kernel keeps of such a channel is not the next conversation's business. Why there
    is no guest any more; empty where there is."""
    lost = loss_of(running)
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
    verdict += "; that did not come back" if told["failure"] and not told.get("came_back") else ""
    kernel = f"; the guest's kernel: {told['kernel'][0]}" if told["kernel"] else ""
    return f"{under}the endpoint behaves {verdict}{kernel}"
