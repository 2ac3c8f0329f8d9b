"""The packet object: allocated or initialized, given a routine and a pointer, freed."""

from __future__ import annotations

from kmcl_model.events import Event, Return
from kmcl_model.spec.observer import Move, Rule, need
from kmcl_model.status import STATUS_INVALID_PARAMETER_3, is_success

from .state import IDLE, NEVER_SET, NONE, SET_BEFORE, PacketState, assume, begin, end, fresh

__all__ = ["RULES"]


def _after_allocate(s: PacketState, e: Event) -> PacketState:
    assert isinstance(e, Return)
    s = end(s, e)
    if not e.outputs[0]:
        return assume(s, "A121/before-enable:R2")
    s = fresh(s)._replace(status=IDLE)
    return assume(s, "A121/before-enable:R1") if s.connection == "disabled" else s


def _after_scant(s: PacketState, e: Event) -> PacketState:
    assert isinstance(e, Return)
    s = fresh(end(s, e))._replace(scant=False)
    if not is_success(e.status or 0):
        return assume(s, "A115:R2")
    return assume(s._replace(status=IDLE, initialized=True), "A115:R1")


def _got_pointer(s: PacketState, e: Event) -> PacketState:
    """An object that was given no pointer has none, or any, or that of the one before it (A120)."""
    assert isinstance(e, Return)
    after = end(s, e)
    reading = "R2" if e.outputs[0] else "R1"
    if s.pointer == NEVER_SET:
        return assume(after, f"A120/packet-never-set:{reading}")
    if s.pointer == SET_BEFORE and not s.initialized:
        return assume(after, f"A120/taken-again:{reading}")
    return after


RULES = (
    Rule(
        "PK-allocate", ("call", "VmbPacketAllocate"), (), begin, when=lambda s, e: s.status == NONE
    ),
    Rule(
        "PK-allocated",
        ("return", "VmbPacketAllocate"),
        (
            need(
                "a packet can be allocated",
                "F368 F369",
                lambda s, e: e.outputs[0] is True or s.connection == "disabled" or s.leaving,
            ),
        ),
        _after_allocate,
        moves=(Move("packet", "freed", "allocated"),),
    ),
    Rule(
        "PK-initialize",
        ("call", "VmbPacketInitialize"),
        (),
        lambda s, e: begin(s, e)._replace(
            initialized=e.arguments[1] in ("sizeof", "sizeof-1"),
            scant=e.arguments[1] == "sizeof-1",
        ),
        when=lambda s, e: s.status == NONE,
    ),
    Rule(
        "PK-initialized",
        ("return", "VmbPacketInitialize"),
        (
            need(
                "memory of SizeofPacket bytes is enough",
                "F344 F377 F378 F380 F381",
                lambda s, e: e.status == 0,
            ),
        ),
        lambda s, e: fresh(end(s, e))._replace(status=IDLE, initialized=True),
        when=lambda s, e: s.initialized and not s.scant,
        moves=(Move("packet", "freed", "initialized"),),
    ),
    # One byte below SizeofPacket is between the two sizes that the page names (A115).
    Rule(
        "PK-initialized-scantly",
        ("return", "VmbPacketInitialize"),
        (),
        _after_scant,
        when=lambda s, e: s.initialized and s.scant,
    ),
    Rule(
        "PK-initialize-refused",
        ("return", "VmbPacketInitialize"),
        (
            need(
                "memory for a maximal packet and a pointer alone is refused",
                "F379",
                lambda s, e: e.status == STATUS_INVALID_PARAMETER_3,
            ),
        ),
        end,
        when=lambda s, e: not s.initialized,
    ),
    Rule(
        "PK-free",
        ("call", "VmbPacketFree"),
        (),
        begin,
        when=lambda s, e: s.status == IDLE and not s.initialized,
    ),
    Rule(
        "PK-freed",
        ("return", "VmbPacketFree"),
        (),
        lambda s, e: fresh(end(s, e)),
        moves=(Move("packet", "allocated", "freed"),),
    ),
    Rule(
        "PK-set-routine",
        ("call", "VmbPacketSetCompletionRoutine"),
        (),
        lambda s, e: begin(s, e)._replace(routine=True),
        when=lambda s, e: s.status == IDLE,
    ),
    Rule("PK-routine-set", ("return", "VmbPacketSetCompletionRoutine"), (), end),
    Rule(
        "PK-set-pointer",
        ("call", "VmbPacketSetPointer"),
        (),
        lambda s, e: begin(s, e)._replace(pointer=e.arguments[1]),
    ),
    Rule("PK-pointer-set", ("return", "VmbPacketSetPointer"), (), end),
    Rule("PK-get-pointer", ("call", "VmbPacketGetPointer"), (), begin),
    Rule(
        "PK-got-pointer",
        ("return", "VmbPacketGetPointer"),
        (
            need(
                "the packet keeps the pointer it was given",
                "F376",
                lambda s, e: s.pointer in (NEVER_SET, SET_BEFORE) or e.outputs[0] == s.pointer,
            ),
        ),
        _got_pointer,
    ),
    Rule("PK-get-channel", ("call", "VmbPacketGetChannel"), (), begin),
    Rule(
        "PK-got-channel",
        ("return", "VmbPacketGetChannel"),
        (
            need(
                "the packet belongs to its channel",
                "F374 F375 F368",
                lambda s, e: e.outputs[0] == s.endpoint,
            ),
        ),
        end,
    ),
)
