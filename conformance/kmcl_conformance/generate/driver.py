"""What a driver of both ends may do next: the enabled stimuli of a model state.

A test plays the two drivers, so it has to keep the rules that the pages lay on drivers; what is
left open (*no-drive* in the interpretations) is not done. Each function here asks a node, that is,
every explanation of what was seen so far, and keeps its answer with the node: the answer to
an equal situation is one look-up.

Explorer, Hypothesis machine, tours and replay all ask here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmcl_conformance.oracle import Judge
from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    SUSPEND,
)
from kmcl_model.payload import tag_of
from kmcl_model.spec import Node
from kmcl_model.spec.configuration import is_complete
from kmcl_model.spec.specification import peer_of
from kmcl_model.stimuli import Act, Arm, Environ, Hold, Invoke, Release, Stimulus

from .expected import EXPECTED_ACTS, OBJECTS

if TYPE_CHECKING:
    from .names import Names

__all__ = [
    "CONTROL",
    "ENABLED_ACTS",
    "control_calls",
    "follows_freely",
    "has_initialized",
    "is_enabled",
    "may_reset",
    "may_send",
    "packet_calls",
    "surely_enabled",
    "tags_in_use",
]

CONTROL: Final = ("VmbChannelEnable", "VmbChannelDisable", "VmbChannelPause", "VmbChannelStart")

LATENCY: Final = frozenset({"VmbChannelSetInterruptLatency"})

ENABLED_ACTS: Final[dict[str, frozenset[str]]] = {
    OPENED: LATENCY | {"VmbPacketSend"},
    STARTED: OBJECTS | LATENCY | {"VmbPacketSend"},
    POST_STARTED: OBJECTS | LATENCY | {"VmbChannelPacketComplete"},
    SUSPEND: LATENCY | {"VmbChannelPacketComplete"},
    CLOSED: LATENCY | {"VmbPacketSend"},
    PROCESS_PACKET: frozenset({"VmbChannelPacketComplete", "VmbChannelPacketFail"}),
    PROCESSING_COMPLETE: frozenset({"VmbChannelPacketComplete"}),
    COMPLETION_ROUTINE: frozenset({"VmbChannelPacketComplete", "VmbPacketSend", "VmbPacketFree"}),
}
"""The cells ``ok`` and ``q`` of A147, and freeing or sending again in the completion routine
(A95)."""

NEW: Final = frozenset({"VmbPacketAllocate", "VmbPacketInitialize"})

_BEFORE_SEND: Final = frozenset({"VmbPacketAllocate", "VmbPacketSetCompletionRoutine"})

STALE: Final = frozenset({"VmbChannelAllocate", "VmbChannelCleanup"})


def control_calls(node: Node, endpoint: str) -> tuple[str, ...]:
    """The control calls that a driver may make now.

    They come one after the other, but while a Pause waits another thread may call Pause, Start or
    Disable (A148).
    """
    found: tuple[str, ...] | None = node.notes.get("control")
    if found is None:
        found = node.notes["control"] = _control_calls(node, endpoint)
    return found


def _control_calls(node: Node, endpoint: str) -> tuple[str, ...]:
    states: list[Any] = list(node.states)
    if any(s.connection == "crashed" for s in states):
        return ()
    if any(s.connection == "none" for s in states):
        return () if any(s.calls for s in states) else ("VmbChannelAllocate",)
    if any(c.function != "VmbChannelPause" for s in states for c in s.calls):
        return ()
    calls = []
    pausing = any(s.calls for s in states)
    disabled = all(s.connection == "disabled" for s in states)
    calm = all(s.cause == 0 and s.peer not in ("leaving", "rejected") for s in states)
    if disabled and not pausing:
        calls += ["VmbChannelPause", "VmbChannelStart"]
        if not any(s.others or s.post_running for s in states):
            calls.append("VmbChannelEnable")
        if not any(s.outstanding or s.lately or s.half for s in states):
            calls.append("VmbChannelCleanup")
        if any(s.half for s in states) or (
            endpoint == "client" and not any(s.over for s in states)
        ):
            calls.append("VmbChannelDisable")
    elif not any(s.connection == "disabled" for s in states):
        calls.append("VmbChannelDisable")
        if pausing:
            if all(len(s.calls) == 1 for s in states):
                calls.append("VmbChannelPause")  # it waits for the first one (A37)
            calls.append("VmbChannelStart")  # while the pause drains, from another thread (A148)
        if not pausing and not any(s.connection == "rejected" for s in states):
            calls += ["VmbChannelPause", "VmbChannelStart"]
            if calm and all(s.connection in ("enabled", "open") for s in states):
                calls.append("VmbChannelEnable")
    return tuple(calls)


def may_send(node: Node) -> bool:
    """Whether the driver may send: never from Suspend until Closed or the next Started (A67)."""
    found: bool | None = node.notes.get("send")
    if found is None:
        found = node.notes["send"] = all(_may_send(s) for s in node.states)
    return found


def _may_send(s: Any) -> bool:
    if s.connection == "open":
        return s.run in ("starting", "started") and not s.calls
    return s.connection in ("enabled", "opening", "closing") and not s.calls


def may_reset(node: Node) -> bool:
    """Whether the channel is disabled for sure, with nothing of it going on."""
    return all(s.connection == "disabled" and not s.calls for s in node.states)


def surely_enabled(node: Node) -> bool:
    """Whether settings must be refused for sure, because the channel is not disabled. A
    Disable that has not returned may have taken effect."""
    return all(
        s.connection not in ("none", "disabled", "rejected")
        and not any(call.function == "VmbChannelDisable" for call in s.calls)
        for s in node.states
    )


def packet_calls(node: Node) -> tuple[str, ...]:
    """The calls on one packet object that keep the driver's rules (A116 to A118)."""
    found: tuple[str, ...] | None = node.notes.get("calls")
    if found is None:
        found = node.notes["calls"] = _packet_calls(node)
    return found


def _packet_calls(node: Node) -> tuple[str, ...]:
    states: list[Any] = list(node.states)
    if any(s.calls or s.finished or s.status == "sending" for s in states):
        return ()
    kinds = {s.status for s in states}
    if kinds == {"none"}:
        return ("VmbPacketAllocate", "VmbPacketInitialize")
    always = ("VmbPacketGetPointer", "VmbPacketGetChannel", "VmbPacketSetPointer")
    if kinds != {"idle"}:
        return always if "none" not in kinds else ()
    ready = all(s.routine or not s.initialized for s in states)
    return (
        *always,
        *(() if any(s.initialized for s in states) else ("VmbPacketFree",)),
        "VmbPacketSetCompletionRoutine",
        *(("VmbPacketSend",) if ready else ()),
    )


def tags_in_use(judge: Judge, sender: str) -> set[int]:
    """The tags of messages from ``sender`` that are not yet given back by the receiver."""
    receiver = peer_of(sender)
    if receiver not in judge.ends:
        return set(judge.carried(sender))
    node = judge.flow[receiver].node
    tags: set[int] | None = node.notes.get("tags")
    if tags is None:
        states: list[Any] = list(node.states)
        tags = {tag_of(entry.buffer) for s in states for entry in s.entries}
        node.notes["tags"] = tags
    live = {
        tag_of(s.buffer)
        for track in judge.incoming[receiver].values()
        for s in track.node.states
        if s.status != "free"
    }
    return tags | live | set(judge.carried(sender))


def _needs_no_tags(judge: Judge, sender: str) -> bool:
    """Nobody tells the messages apart that an end gets which is not observed."""
    return peer_of(sender) not in judge.ends


def _is_live(judge: Judge, endpoint: str, context: Any) -> bool:
    track = judge.incoming[endpoint].get(context)
    return track is not None and all(s.status != "free" and not s.calls for s in track.node.states)


def _call_enabled(
    judge: Judge, names: Names, endpoint: str, function: str, arguments: tuple[Any, ...]
) -> bool:
    node = judge.endpoint[endpoint].node
    if function in CONTROL or function in STALE:
        if function not in control_calls(node, endpoint):
            return False
        if function == "VmbChannelCleanup":
            return not _anything_alive(judge, endpoint)
        return function != "VmbChannelEnable" or _is_configured(judge, endpoint)
    states: list[Any] = list(node.states)
    if any(s.connection in ("none", "crashed") for s in states):
        return False
    if function.startswith("VmbPacket"):
        if arguments[0] in names.packets(endpoint):
            return False
        if function == "VmbPacketInitialize" and names.frees(endpoint):
            return False
        track = judge.packets[endpoint].get(arguments[0])
        if track is None:
            return function in NEW
        if function not in packet_calls(track.node):
            return False
        if function == "VmbPacketSend":
            tag = tag_of(arguments[1])
            used = tags_in_use(judge, endpoint) | names.tags(endpoint)
            return (tag not in used or _needs_no_tags(judge, endpoint)) and may_send(node)
        return True
    if function == "VmbChannelPacketComplete":
        return _is_live(judge, endpoint, arguments[0])
    if function == "VmbChannelPacketFail":
        return False  # inline only (A80)
    if function == "VmbChannelSetTransactionQuota":
        flows: list[Any] = list(judge.flow[endpoint].node.states)
        if names.limits(endpoint):
            return False
        return arguments[0] > 0 and not any(s.quota_calls for s in flows)
    return True


def has_initialized(judge: Judge, endpoint: str) -> bool:
    """Whether a packet in the caller's memory is alive; it must not be freed (A117)."""
    return any(s.initialized for t in judge.packets[endpoint].values() for s in t.node.states)


def _is_configured(judge: Judge, endpoint: str) -> bool:
    """Whether everything is set without which Enable or the first packet is undefined."""
    states: Any = judge.configuration[endpoint].node.states
    return all(is_complete(s) for s in states)


def _anything_alive(judge: Judge, endpoint: str) -> bool:
    return (
        any(
            s.status != "none" and not (s.initialized and s.status == "idle")
            for t in judge.packets[endpoint].values()
            for s in t.node.states
        )
        or any(key[0] == endpoint for key in judge.calls)
        or any(key[0] == endpoint for key in judge.handlers)
    )


def is_enabled(judge: Judge, names: Names, stimulus: Stimulus) -> bool:
    """Whether the stimulus keeps the rules of drivers in the situation the judge has reached."""
    if getattr(stimulus, "endpoint", None) not in (None, *judge.ends):
        return False
    if isinstance(stimulus, Invoke):
        return (stimulus.endpoint, stimulus.by) not in judge.calls and _call_enabled(
            judge, names, stimulus.endpoint, stimulus.function, stimulus.arguments
        )
    if isinstance(stimulus, Arm):
        return _reaction_enabled(judge, names, stimulus)
    if isinstance(stimulus, Environ):
        return not any(
            s.connection in ("none", "crashed")
            for s in judge.endpoint[stimulus.endpoint].node.states
        )
    if isinstance(stimulus, Release):
        return (stimulus.endpoint, stimulus.activation) in judge.handlers
    return True


def follows_freely(judge: Judge, names: Names, first: Stimulus, after: Stimulus) -> bool:
    """Whether the second of two calls about a packet is enabled whatever becomes of the first,
    which is: a packet that could not be had is not sent either."""
    if not (isinstance(first, Invoke) and isinstance(after, Invoke)):
        return False
    end, made = first.endpoint, first.function
    if (end, first.by) != (after.endpoint, after.by) or first.arguments[:1] != after.arguments[:1]:
        return False
    if after.function == "VmbPacketSetCompletionRoutine":
        return made == "VmbPacketAllocate"
    if after.function != "VmbPacketSend" or made not in _BEFORE_SEND:
        return False
    tag = tag_of(after.arguments[1])
    used = tags_in_use(judge, end) | names.tags(end)
    fresh = tag not in used or _needs_no_tags(judge, end)
    return fresh and may_send(judge.endpoint[end].node)


def _reaction_enabled(judge: Judge, names: Names, stimulus: Arm) -> bool:
    endpoint = stimulus.endpoint
    acts = ENABLED_ACTS.get(stimulus.callback, frozenset())
    acts |= EXPECTED_ACTS.get(stimulus.callback, frozenset())
    if names.armed(endpoint, stimulus.callback):
        return False
    used = tags_in_use(judge, endpoint) | names.tags(endpoint)
    for step in stimulus.reaction.steps:
        if isinstance(step, Hold):
            continue
        assert isinstance(step, Act)
        if step.function not in acts:
            return False
        if step.function == "VmbPacketInitialize" and names.frees(endpoint):
            return False
        if step.function == "VmbChannelSetTransactionQuota":
            flows: list[Any] = list(judge.flow[endpoint].node.states)
            if names.limits(endpoint) or any(s.quota_calls for s in flows):
                return False
        if step.function in OBJECTS:
            name = str(step.arguments[0])
            if name == "this":
                if has_initialized(judge, endpoint) or names.initializes(endpoint):
                    return False
                continue
            track = judge.packets[endpoint].get(name)
            if name in names.packets(endpoint):
                return False
            if track is None:
                if step.function not in NEW:
                    return False
            elif step.function not in packet_calls(track.node):
                return False
        if step.function == "VmbPacketSend":
            packet, buffer = step.arguments[:2]
            if not isinstance(buffer, bytes):
                return False
            if tag_of(buffer) in used and not _needs_no_tags(judge, endpoint):
                return False
            if packet == "this":
                continue
            track = judge.packets[endpoint].get(str(packet))
            if (
                track is None
                or packet in names.packets(endpoint)
                or "VmbPacketSend" not in packet_calls(track.node)
            ):
                return False
    return True
