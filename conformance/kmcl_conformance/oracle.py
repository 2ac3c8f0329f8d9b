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
from kmcl_model.payload import tag_of
from kmcl_model.spec import Node, Quiet, Shadow, Specification
from kmcl_model.spec.configuration import SETTERS
from kmcl_model.spec.host import Host
from kmcl_model.spec.specification import ENDPOINTS, peer_of
from kmcl_model.status import is_success

from .failure import Failure
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
        self.host = specification.host() if specification.host else None
        """What is known of the end that is not observed."""
        self._host_open = False
        # By end and thread: the answer to the question that is being sent, and whether it is due.
        self._asked: dict[tuple[str, str], tuple[bytes, bool]] = {}
        self._sends = {e: Sends() for e in s.ends if peer_of(e) not in s.ends}
        self._unseen = False
        """A message was sent with the default routine to an end that is not observed: whether it
        has left, nobody sees."""
        # Which packet a message belongs to: by sender and tag while the packet carries it, then
        # by receiver and context; `_order` has the contexts as they were indicated.
        self._carrier: dict[str, dict[int, str]] = {e: {} for e in ENDPOINTS}
        self._buffer: dict[str, dict[str, bytes]] = {e: {} for e in ENDPOINTS}
        self._order: dict[str, list[str]] = {e: [] for e in ENDPOINTS}
        self._context: dict[str, dict[str, str]] = {e: {} for e in ENDPOINTS}
        # Packets that their peer has completed, in that order, and whose routine is to come.
        self._answered: dict[str, list[str]] = {e: [] for e in ENDPOINTS}

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
        for name in ENDPOINTS:
            other._carrier[name].update(self._carrier[name])
            other._buffer[name].update(self._buffer[name])
            other._context[name].update(self._context[name])
            other._order[name].extend(self._order[name])
            other._answered[name].extend(self._answered[name])
        other._unseen = self._unseen
        other._sends = {name: sends.copy() for name, sends in self._sends.items()}
        other.host = self.host.copy() if self.host else None
        other._host_open = self._host_open
        other._asked.update(self._asked)
        other.calls.update(self.calls)
        other.handlers.update(self.handlers)
        return other

    def carried(self, sender: str) -> dict[int, str]:
        """Which packet carries the message with a tag, for the messages on their way."""
        return self._carrier[sender]

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
        if self.host is not None:
            states: Any = self.endpoint[name].node.states
            was_open, self._host_open = (
                self._host_open,
                all(s.connection in ("opening", "open") for s in states),
            )
            if self._host_open and not was_open:
                self.host.opened()
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

    def _register(self, event: Any) -> None:
        self._configure(event)
        self._endpoint(event[1], event)

    def _cleaned(self, event: Any, _call: Any) -> None:
        self._configure(event)
        self._endpoint(event[1], event)

    def _environment(self, event: Any) -> None:
        name, action = event[1], event[2]
        self.faults[action] += 1
        if action == "crash":
            self.packets[name].clear()
            self.incoming[name].clear()
            self._answered[name].clear()
            if name in self.endpoint:
                self._endpoint(name, event)
        elif action == "malformed":
            if self.host is not None and name in self.ends:
                self.host.broken()
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
        carrier = self._carrier[endpoint]
        for tag in [t for t, owner in carrier.items() if owner == name]:
            del carrier[tag]
        carrier[tag_of(buffer)] = name
        self._buffer[endpoint][name] = buffer
        if endpoint in self._sends and self._is_of_session(endpoint):
            self._sends[endpoint].called(name)
        if self.host is not None:
            self._tell_host(self.host, endpoint, event[2], buffer)

    def _sent(self, event: Any, call: Any) -> None:
        endpoint, name, buffer = event[1], call[4][0], call[4][1]
        self._packet_return(event, call)
        self._flow(peer_of(endpoint), event)
        if all(s.status == "none" for s in self.packets[endpoint][name].node.states):
            self._unseen = self._unseen or peer_of(endpoint) not in self.flow
            self._flow(peer_of(endpoint), Shadow("silent", endpoint, (buffer,)))
        if endpoint in self._sends and is_success(event[4]):
            self._sends[endpoint].accepted(name)
        asked = self._asked.pop((endpoint, event[2]), None)
        if asked is not None:
            answer, due = asked
            due = due and is_success(event[4]) and self._is_surely_open(endpoint)
            shown = "owed" if due else "doubted"
            self._flow(endpoint, Shadow(shown, peer_of(endpoint), (answer,)))

    def _tell_host(self, host: Host, endpoint: str, by: str, buffer: bytes) -> None:
        """A packet is sent to a known host. It surely gets it where the channel is surely open;
        what it owes then may come from now on, and must come when the call has returned. Questions
        that are being sent may come after a packet which is none, and find the host changed."""
        surely = self._is_surely_open(endpoint)
        answer = host.hears(buffer) if surely else None
        if not surely:
            host.may_hear(buffer)
        if answer is None:
            for (end, thread), (expected, _) in self._asked.items():
                if end == endpoint:
                    self._asked[end, thread] = (expected, False)
        else:
            self._asked[endpoint, by] = (answer, True)
            self._flow(endpoint, Shadow("asked", peer_of(endpoint), (answer,)))

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
        answered = self._answered[endpoint]
        if name in answered:
            if is_success(status) and len(answered) > 1:
                shown = "R1" if answered[0] == name else "R2"
                self._flow(peer_of(endpoint), Shadow("answered", endpoint, (shown,)))
            answered.remove(name)
        if not is_success(status):
            buffer = self._buffer[endpoint].get(name, b"")
            self._flow(peer_of(endpoint), Shadow("cancelled", endpoint, (buffer,)))
        carrier = self._carrier[endpoint]
        for tag in [t for t, owner in carrier.items() if owner == name]:
            del carrier[tag]
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
        self._order[endpoint].append(context)
        sender = peer_of(endpoint)
        name = self._carrier[sender].get(tag_of(buffer))
        if name is not None and name in self.packets[sender]:
            self._take(self.packets[sender][name], event)
            self._context[endpoint][context] = name
        else:
            self._context[endpoint].pop(context, None)

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
        order = self._order[endpoint]
        if order and order[0] != context:
            self._take(self.flow[endpoint], Shadow("overtaken", endpoint, ()))
        if context in order:
            order.remove(context)
        name = self._context[endpoint].pop(context, None)
        sender = peer_of(endpoint)
        if name is not None and name in self.packets[sender]:
            buffer = self._buffer[sender].get(name)
            seen = arguments[2] if function == "VmbChannelPacketComplete" else None
            current = self._carrier[sender].get(tag_of(buffer)) == name
            if current and (seen is None or tag_of(seen) == tag_of(buffer)):
                self._take(self.packets[sender][name], event)
                if function == "VmbChannelPacketComplete":
                    self._note_answer(endpoint, sender, name)

    def _note_answer(self, endpoint: str, sender: str, name: str) -> None:
        """Of calls that overlap nobody knows which came first."""
        answered = self._answered[sender]
        completing = [c for c in self.calls.values() if c[3] == "VmbChannelPacketComplete"]
        if sum(call[1] == endpoint for call in completing) > 1:
            answered.clear()
        elif all(s.wait for s in self.packets[sender][name].node.states):
            answered.append(name)

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
        if self.host is not None and self.host.drains:
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
    calls["VmbChannelInitSetStateChangeCallbacks"] = Judge._register
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
