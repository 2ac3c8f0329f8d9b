"""``kmcl lab certify --provoke``: conversations during which the driver is unbound."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from kmcl_conformance.plan import Plan
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import replay
from kmcl_lab.lab import Lab
from kmcl_lab.provoke import kernel_complaints, provoked, provoking
from kmcl_model.api import COMPLETION_ROUTINE
from kmcl_model.events import Call, Enter, Event, Return
from kmcl_model.status import is_success
from kmcl_model.stimuli import Stimulus

__all__ = ["PROFILE", "PROVOCATIONS", "conversations", "provoke", "unended", "words_of"]

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


def provoke(running: Lab) -> list[dict[str, Any]]:
    """Play each, on a guest that is started afresh after it; what came of it. Raises LabProblem."""
    told = []
    for name, stimuli in conversations().items():
        adapter = provoking(running)
        try:
            outcome = replay(adapter, PROFILE.specification(), stimuli)
            complaints = kernel_complaints(running)
        finally:
            adapter.close()
        running.reset()
        failure = outcome.failure
        words = [broken.words for broken in failure.broken] if failure is not None else []
        words += [f"{packet} has never ended" for packet in unended(outcome.events)]
        handlers = [e.activation for e in outcome.events if isinstance(e, Enter)]
        told.append(
            {"conversation": name, "handlers": handlers, "kernel": complaints, "failure": words}
        )
    return told


def words_of(told: dict[str, Any]) -> str:
    """One line for people."""
    verdict = f"not as it must: {'; '.join(told['failure'])}" if told["failure"] else "as it must"
    kernel = f"; the guest's kernel: {told['kernel'][0]}" if told["kernel"] else ""
    return f"unbound under {told['conversation']}: the endpoint behaves {verdict}{kernel}"
