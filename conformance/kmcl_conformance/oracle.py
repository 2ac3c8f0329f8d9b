"""The oracle: judges a trace, event by event, and never touches an implementation.

A ``Judge`` holds one *track* for each observer: the node it has reached. An event goes to the
observers it concerns; a refusal by any of them is the verdict. What an observer must know of
another thing's state reaches it as a derived event (``Shadow``), so that each stays a small
automaton of its own and almost every step is one look-up.

Order is judged as far as it is defined: per endpoint, and across endpoints only where one
causes the other. Liveness is judged at quiescence alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    PNP_FAILURE,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    SUSPEND,
)
from kmcl_model.events import Event
from kmcl_model.spec import Node, Quiet, Shadow, Specification
from kmcl_model.spec.configuration import SETTERS
from kmcl_model.spec.host import Host
from kmcl_model.spec.specification import ENDPOINTS, peer_of
from kmcl_model.status import is_success

from .failure import Failure
from .hosted import Hosted
from .messages import Messages
from .phases import told_of
from .quiet import (
    DRAINED,
    PLAIN,
    UNKNOWN,
    UNKNOWN_BUSY,
    facts_of,
    told_to_endpoint,
    told_to_flow,
    told_to_packets,
)
from .rests import Rests
from .sends import Sends
from .track import Follower, Pair, RefusedError, Track, shadow_of

__all__ = ["Judge", "Pair", "judge_trace"]

_SETTERS = tuple(setter.function for setter in SETTERS)
_SIZEOF = "VmbChannelSizeofPacket"
_LATENCY = "VmbChannelSetInterruptLatency"
_PACKET_CALLS = tuple(
    f"VmbPacket{name}"
    for name in (
        "Allocate",
        "Initialize",
        "Free",
        "GetChannel",
        "SetPointer",
        "GetPointer",
        "SetCompletionRoutine",
    )
)
_NO_FACTS: dict[str, frozenset[str]] = {name: frozenset() for name in ENDPOINTS}
_NAMES = {COMPLETION_ROUTINE: ("F133",), PROCESS_PACKET: ("F044",)}


class Judge(Follower):
    """Follows one trace. ``feed`` gives None, or the failure, after which it is spent."""

    def __init__(self, specification: Specification, pairs: set[Pair] | None = None) -> None:
        super().__init__(specification.ends, pairs)
        self.specification = specification
        s = specification
        self.endpoint = {e: Track(f"{e} endpoint", s.endpoint[e]) for e in s.ends}
        self.flow = {e: Track(f"flow to {e}", s.flow[e]) for e in s.ends}
        self.configuration = {e: Track(f"{e} configuration", s.configuration[e]) for e in s.ends}
        self.packets: dict[str, dict[str, Track]] = {e: {} for e in ENDPOINTS}
        self.incoming: dict[str, dict[str, Track]] = {e: {} for e in ENDPOINTS}
        self._rests = Rests(
            s.rests,
            [*self.endpoint.values(), *self.flow.values()] if len(s.ends) > 1 else (),
            [self.configuration, *self.packets.values(), *self.incoming.values()],
        )
        self._hosted = Hosted(specification.host()) if specification.host else None
        self._messages = Messages(self.packets)
        self._sends = {e: Sends() for e in s.ends if peer_of(e) not in s.ends}
        self._unseen = False
        """A message was sent with the default routine to an end that is not observed: whether it
        has left, nobody sees."""

    @property
    def host(self) -> Host | None:
        """What is known of the end that is not observed."""
        return self._hosted.host if self._hosted else None

    def feed(self, event: Event) -> Failure | None:
        """Judge one event."""
        if self.failure is not None:
            return self.failure
        seen: Any = event
        kind = seen[0]
        try:
            if kind == "call":
                if (seen[1], seen[2]) in self.calls:
                    raise KeyError(f"a second call of {seen[2]} while one is in progress")
                self.calls[seen[1], seen[2]] = seen
                _CALLS[seen[3]](self, seen)
            elif kind == "return":
                call = self.calls.pop((seen[1], seen[2]))
                if call[3] != seen[3]:
                    raise KeyError(seen[3])
                _RETURNS[seen[3]](self, seen, call)
            elif kind == "enter":
                if (seen[1], seen[2]) in self.handlers:
                    raise KeyError(f"a second run {seen[2]} while one goes on")
                self.handlers[seen[1], seen[2]] = seen
                _ENTERS[seen[3]](self, seen)
            elif kind == "exit":
                _EXITS[seen[3]](self, seen, self.handlers.pop((seen[1], seen[2])))
            elif kind == "quiescence":
                self._quiescence()
            elif kind == "environment":
                self._environment(seen)
            else:
                return self._lost(seen)
        except RefusedError as refused:
            return self._refused(event, refused)
        except KeyError as unknown:
            return self._unknown(event, unknown, _NAMES.get(seen[3], ()))
        self.events += 1
        return None

    def feed_silence(self, event: Event) -> Failure | None:
        """Judge a quiescence. If it is refused, the judge is as it was before, so that the
        implementation can be given more time."""
        if self.failure is not None:
            return self.failure
        if self._rests.repeated():
            self.events += 1
            return None
        before = [(track, track.node) for track in self._tracks()]
        failure = self.feed(event)
        if failure is not None:
            self.failure = None
            for track, node in before:
                track.node = node
        return failure

    def _standing(self) -> Iterable[Track]:
        return self.endpoint.values()

    def _tracks(self) -> Iterator[Track]:
        for group in (self.endpoint, self.flow, self.configuration):
            yield from group.values()
        for groups in (self.packets, self.incoming):
            for tracks in groups.values():
                yield from tracks.values()

    def fork(self) -> Judge:
        """An independent judge that has seen the same events."""
        other = Judge(self.specification, set())
        other.events = self.events
        for mine, theirs in (
            (self.endpoint, other.endpoint),
            (self.flow, other.flow),
            (self.configuration, other.configuration),
        ):
            for name, track in mine.items():
                theirs[name].node = track.node
        for groups, copies in ((self.packets, other.packets), (self.incoming, other.incoming)):
            for name, group in groups.items():
                for key, track in group.items():
                    copy = copies[name][key] = Track(track.name, track.automaton)
                    copy.node = track.node
        other._messages.copy_from(self._messages)
        other._unseen = self._unseen
        other._sends = {name: sends.copy() for name, sends in self._sends.items()}
        other._hosted = self._hosted.copy() if self._hosted else None
        other.calls.update(self.calls)
        other.handlers.update(self.handlers)
        return other

    def carried(self, sender: str) -> dict[int, str]:
        """Which packet carries the message with a tag, for the messages on their way."""
        return self._messages.carried(sender)

    # Endpoints and configuration ------------------------------------------------------------

    def _lifecycle(self, event: Any) -> None:
        self._endpoint(event[1], event)

    def _lifecycle_returned(self, event: Any, _began: Any) -> None:
        self._endpoint(event[1], event)

    def _endpoint(self, name: str, event: Any) -> None:
        track = self.endpoint[name]
        before = track.node
        self._take(track, event)
        if track.node is not before and track.node.summary != before.summary:
            self._spread(name, before)

    def _spread(self, name: str, before: Node) -> None:
        """Tell the others of a change of phase, as far as they have not heard it already."""
        earlier, told = told_of(name, before), told_of(name, self.endpoint[name].node)
        peer = peer_of(name)
        if self._hosted is not None:
            states: Any = self.endpoint[name].node.states
            self._hosted.follow(all(s.connection in ("opening", "open") for s in states))
        for packet in self.packets[name].values():
            self._take(packet, told.packets)
        if name in self._sends and not self._is_of_session(name):
            self._sends[name].clear()
        self._flow(name, told.received)
        if told.sent != earlier.sent:
            self._flow(peer, told.sent)
        if told.configuration != earlier.configuration:
            self._take(self.configuration[name], told.configuration)
        if peer in self.endpoint:
            self._endpoint(peer, told.peer)

    def _flow(self, receiver: str, event: Any) -> None:
        """What concerns the direction to an end that is not observed concerns nobody."""
        track = self.flow.get(receiver)
        if track is not None:
            self._take(track, event)

    def _configure(self, event: Any) -> None:
        track = self.configuration[event[1]]
        before = track.node
        self._take(track, event)
        if track.node is not before and track.node.summary != before.summary:
            self._spread_limits(event[1])

    def _configured(self, event: Any, _call: Any) -> None:
        self._configure(event)

    def _spread_limits(self, name: str) -> None:
        limits = shadow_of("limits", name, self.configuration[name].node)
        for packet in self.packets[name].values():
            self._take(packet, limits)
        for flow in self.flow.values():
            self._take(flow, limits)
        self._endpoint(name, limits)

    def _registered(self, event: Any, call: Any) -> None:
        """What a table of state change callbacks holds concerns the endpoint, if it was accepted:
        the configuration has judged whether it should be."""
        self._configure(event)
        if is_success(event[4]):
            self._endpoint(event[1], Shadow("registered", event[1], call[4][2]))

    def _cleaned(self, event: Any, _call: Any) -> None:
        self._configure(event)
        self._endpoint(event[1], event)

    def _environment(self, event: Any) -> None:
        name, action = event[1], event[2]
        self.faults[action] += 1
        if action == "crash":
            self.packets[name].clear()
            self.incoming[name].clear()
            self._messages.forget_order(name)
            if name in self.endpoint:
                self._endpoint(name, event)
        elif action == "malformed":
            if self._hosted is not None and name in self.ends:
                self._hosted.host.broken()
            self._flow(peer_of(name), event)
            for end in (peer_of(name), name):
                if end in self.endpoint:
                    self._endpoint(end, event)

    # Outgoing packets ---------------------------------------------------------------------

    def _packet(self, endpoint: str, name: str) -> Track:
        packets = self.packets[endpoint]
        track = packets.get(name)
        if track is None:
            track = Track(f"{endpoint} packet {name}", self.specification.packet[endpoint])
            self._take(track, told_of(endpoint, self.endpoint[endpoint].node).packets)
            self._take(track, shadow_of("limits", endpoint, self.configuration[endpoint].node))
            packets[name] = track
        return track

    def _packet_call(self, event: Any) -> None:
        self._take(self._packet(event[1], event[4][0]), event)

    def _packet_return(self, event: Any, call: Any) -> None:
        self._take(self.packets[event[1]][call[4][0]], event)

    def _send(self, event: Any) -> None:
        endpoint, name, buffer = event[1], event[4][0], event[4][1]
        self._packet_call(event)
        self._flow(peer_of(endpoint), event)
        self._messages.sent(endpoint, name, buffer)
        if endpoint in self._sends and self._is_of_session(endpoint):
            self._sends[endpoint].called(name)
        if self._hosted is not None:
            surely = self._is_surely_open(endpoint)
            answer = self._hosted.sending(endpoint, event[2], buffer, surely)
            if answer is not None:
                self._flow(endpoint, Shadow("asked", peer_of(endpoint), (answer,)))

    def _sent(self, event: Any, call: Any) -> None:
        endpoint, name, buffer = event[1], call[4][0], call[4][1]
        self._packet_return(event, call)
        self._flow(peer_of(endpoint), event)
        if all(s.status == "none" for s in self.packets[endpoint][name].node.states):
            self._unseen = self._unseen or peer_of(endpoint) not in self.flow
            self._flow(peer_of(endpoint), Shadow("silent", endpoint, (buffer,)))
        if endpoint in self._sends and is_success(event[4]):
            self._sends[endpoint].accepted(name)
        owed = self._hosted.sent(endpoint, event[2]) if self._hosted is not None else None
        if owed is not None:
            due = owed.is_due and is_success(event[4]) and self._is_surely_open(endpoint)
            shown = "owed" if due else "doubted"
            self._flow(endpoint, Shadow(shown, peer_of(endpoint), (owed.answer,)))

    def _is_surely_open(self, endpoint: str) -> bool:
        """Whether what is sent now gets into the ring: nobody has asked to close the channel. What
        a driver sends while it is being opened gets there when it is open."""
        return self._is_of_session(endpoint, ("opening", "open"))

    def _is_of_session(
        self, endpoint: str, phases: tuple[str, ...] = ("enabled", "opening", "open")
    ) -> bool:
        """Whether no session ends now: what is sent goes into the same one as what follows."""
        states: Any = self.endpoint[endpoint].node.states
        return all(
            s.connection in phases and all(c.function == "VmbChannelEnable" for c in s.calls)
            for s in states
        )

    def _completion(self, event: Any) -> None:
        endpoint, (name, status, _) = event[1], event[4]
        self._take(self.packets[endpoint][name], event)
        if endpoint in self._sends:
            self._note_passed(endpoint, name, is_success(status))
        order = self._messages.order_of(endpoint, name)
        if not is_success(status):
            buffer = self._messages.buffer(endpoint, name)
            self._flow(peer_of(endpoint), Shadow("cancelled", endpoint, (buffer,)))
        elif order:
            self._flow(peer_of(endpoint), Shadow("answered", endpoint, (order,)))
        self._messages.completed(endpoint, name)
        self._endpoint(endpoint, event)

    def _note_passed(self, endpoint: str, name: str, came_through: bool) -> None:
        sends = self._sends[endpoint]
        for other in sends.passed_by(name) if came_through else ():
            self._take(self.packets[endpoint][other], Shadow("passed", endpoint, ()))
        sends.ended(name)

    # Incoming packets ---------------------------------------------------------------------

    def _process_packet(self, event: Any) -> None:
        endpoint, (_, context, buffer, _) = event[1], event[4]
        self._endpoint(endpoint, event)
        self._take(self.flow[endpoint], event)
        contexts = self.incoming[endpoint]
        track = contexts.get(context)
        if track is None:
            track = Track(f"{endpoint} incoming {context}", self.specification.incoming[endpoint])
            contexts[context] = track
        self._take(track, event)
        packet = self._messages.indicated(endpoint, context, buffer)
        if packet is not None:
            self._take(packet, event)

    def _processed(self, event: Any, enter: Any) -> None:
        self._take(self.incoming[event[1]][enter[4][1]], event)
        self._endpoint(event[1], event)

    def _processing_complete(self, event: Any) -> None:
        self._endpoint(event[1], event)
        self._take(self.flow[event[1]], event)

    def _give_back(self, event: Any) -> None:
        endpoint, function, arguments = event[1], event[3], event[4]
        context = arguments[0]
        self._take(self.incoming[endpoint][context], event)
        self._take(self.flow[endpoint], event)
        self._endpoint(endpoint, event)
        if self._messages.given_back(endpoint, context):
            self._take(self.flow[endpoint], Shadow("overtaken", endpoint, ()))
        completes = function == "VmbChannelPacketComplete"
        packet = self._messages.answer_to(endpoint, context, arguments[2] if completes else None)
        if packet is not None:
            self._take(self.packets[peer_of(endpoint)][packet], event)
            if completes:
                self._note_answer(endpoint, peer_of(endpoint), packet)

    def _note_answer(self, endpoint: str, sender: str, name: str) -> None:
        """Of calls that overlap nobody knows which came first."""
        completing = [c for c in self.calls.values() if c[3] == "VmbChannelPacketComplete"]
        if sum(call[1] == endpoint for call in completing) > 1:
            self._messages.forget_order(sender)
        elif all(s.wait for s in self.packets[sender][name].node.states):
            self._messages.answered(sender, name)

    def _given_back(self, event: Any, call: Any) -> None:
        self._take(self.incoming[event[1]][call[4][0]], event)

    def _quota(self, event: Any) -> None:
        self._take(self.flow[event[1]], event)

    def _quota_set(self, event: Any, _call: Any) -> None:
        self._quota(event)

    # Silence ------------------------------------------------------------------------------

    def _quiescence(self) -> None:
        rests = self._rests
        if rests.repeated():
            return
        situation, calm = rests.situation(), rests.is_calm()
        told: list[tuple[Track, Quiet]] = []
        facts = dict(_NO_FACTS)
        busy: dict[str, list[Track]] = {}
        for name in self.ends:  # a call that hangs is named before what hangs on it
            for track in self.incoming[name].values():
                if not track.node.idle:
                    self._take(track, PLAIN)
            if not self.configuration[name].node.idle:
                self._take(self.configuration[name], PLAIN)
        for name in self.ends:
            facts[name] = facts_of(self.endpoint[name].node, self.flow[name].node.summary)
            busy[name] = [t for t in self.packets[name].values() if not t.node.idle]
        for name, packets in busy.items():
            waiting = any(True in t.node.summary for t in packets)
            out, arriving = self._towards(peer_of(name)), self.flow[name].node.summary
            quiet = told_to_endpoint(waiting, out, arriving)
            self._endpoint(name, quiet)
            told.append((self.endpoint[name], quiet))
        for name in self.ends:
            quiet = told_to_flow(facts[name], facts[peer_of(name)])
            self._take(self.flow[name], quiet)
            told.append((self.flow[name], quiet))
        for name, packets in busy.items():
            if packets:
                peer = peer_of(name)
                quiet = told_to_packets(facts[name], facts[peer], self._towards(peer))
                for track in packets:
                    self._take(track, quiet)
        if calm and rests.situation() == situation:
            rests.keep(told)

    def _towards(self, receiver: str) -> Any:
        """The summary of one direction; of one that is not observed, what the packets tell."""
        track = self.flow.get(receiver)
        if track is not None:
            return track.node.summary
        if self._hosted is not None and self._hosted.host.drains:
            return DRAINED
        sent = self.packets[peer_of(receiver)].values()
        under_way = self._unseen or not all(packet.node.idle for packet in sent)
        return UNKNOWN_BUSY if under_way else UNKNOWN


_Begins: TypeAlias = dict[str, Callable[[Judge, Any], None]]
_Ends: TypeAlias = dict[str, Callable[[Judge, Any, Any], None]]


def _routes() -> tuple[_Begins, _Ends, _Begins, _Ends]:
    """Where calls, returns, entries and exits go, by the name of the function or callback."""
    calls: _Begins = {}
    returns: _Ends = {}
    for name in (*_SETTERS, _LATENCY, "VmbChannelSetPointer", "VmbChannelGetPointer", _SIZEOF):
        calls[name], returns[name] = Judge._configure, Judge._configured
    returns["VmbChannelInitSetStateChangeCallbacks"] = Judge._registered
    for name in ("Allocate", "Enable", "Disable", "Pause", "Start", "Cleanup"):
        calls[f"VmbChannel{name}"] = Judge._lifecycle
        returns[f"VmbChannel{name}"] = Judge._lifecycle_returned
    returns["VmbChannelCleanup"] = Judge._cleaned
    for name in _PACKET_CALLS:
        calls[name], returns[name] = Judge._packet_call, Judge._packet_return
    calls["VmbPacketSend"], returns["VmbPacketSend"] = Judge._send, Judge._sent
    calls["VmbChannelSetTransactionQuota"] = Judge._quota
    returns["VmbChannelSetTransactionQuota"] = Judge._quota_set
    for name in ("VmbChannelPacketComplete", "VmbChannelPacketFail"):
        calls[name], returns[name] = Judge._give_back, Judge._given_back
    enters: _Begins = {}
    exits: _Ends = {}
    for name in (OPENED, CLOSED, SUSPEND, STARTED, POST_STARTED, PNP_FAILURE):
        enters[name], exits[name] = Judge._lifecycle, Judge._lifecycle_returned
    enters[PROCESS_PACKET], exits[PROCESS_PACKET] = Judge._process_packet, Judge._processed
    enters[PROCESSING_COMPLETE] = Judge._processing_complete
    exits[PROCESSING_COMPLETE] = Judge._lifecycle_returned
    enters[COMPLETION_ROUTINE] = Judge._completion
    exits[COMPLETION_ROUTINE] = Judge._lifecycle_returned
    return calls, returns, enters, exits


_CALLS, _RETURNS, _ENTERS, _EXITS = _routes()


def judge_trace(events: Iterable[Event], specification: Specification | None = None) -> Judge:
    """Judge a whole recorded trace; the judge tells what was found."""
    return Judge(specification or Specification()).follow(events)
