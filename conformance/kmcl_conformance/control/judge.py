"""The judge of the control protocol: follows a trace of messages, signals and calls of the user.

What a message is about (a connection, a channel, a GPADL) is told by its ids. Within a channel its
GPADLs get small names of their own, so that equal situations are equal states whatever ids the
guest has chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from kmcl_conformance.failure import AFTER_FAULT, Failure
from kmcl_conformance.track import Pair, RefusedError
from kmcl_model.control import GUEST, MESSAGES, PAGE
from kmcl_model.events import Event, Message
from kmcl_model.spec import Broken, Quiet, Shadow
from kmcl_model.spec.control import ControlSpecification

from .faults import ODD_OFFERS, fault_of_message, may_not_matter
from .tracks import FREE, ControlTracks, link_of, may_have_subchannels

__all__ = ["ControlJudge"]

_BUS: Final = ("load", "unload", "kexec")
_LEAST: Final = 2
"""Pages of the smallest ring: its header, and one with data."""
_BROKEN: Final = ("short", "unknown type", "lost")
"""The flaws that make a message one that must be ignored whatever it says, or never comes."""


class ControlJudge(ControlTracks):
    """Follows one trace. ``feed`` gives None, or the failure, after which it is spent."""

    def __init__(self, specification: ControlSpecification, pairs: set[Pair] | None = None) -> None:
        super().__init__(specification, pairs)
        message: dict[str, Callable[[Any], None]] = {
            "INITIATE_CONTACT": self._contact,
            "GPADL_HEADER": self._header,
            "GPADL_BODY": self._body,
            "GPADL_TEARDOWN": self._teardown,
            "OPENCHANNEL": self._open,
            "CLOSECHANNEL": self._close,
            "OFFERCHANNEL": self._offer,
            "RESCIND_CHANNELOFFER": self._about,
            "GPADL_CREATED": self._created,
            "GPADL_TORNDOWN": self._torndown,
            "OPENCHANNEL_RESULT": self._result,
            "MODIFYCHANNEL_RESPONSE": self._about,
            "RELID_RELEASED": self._about,
            "MODIFYCHANNEL": self._modify,
            "UNLOAD": self._unload,
        }
        self._messages = message

    def feed(self, event: Event) -> Failure | None:
        """Judge one event."""
        if self.failure is not None:
            return self.failure
        seen: Any = event
        kind = seen[0]
        try:
            if kind == "message":
                self._message(seen)
            elif kind == "signal":
                self._signal(seen)
            elif kind == "call":
                self._call(seen)
            elif kind == "return":
                self._return(seen)
            elif kind == "environment":
                self._environment(seen)
            elif kind == "quiescence":
                self._quiescence()
            elif kind == "lost":
                return self._lost(seen, may_not_matter(self._cause))
            else:
                return self._unknown(event, f"a {kind} on the bus", ())
        except RefusedError as refused:
            return self._blamed(self._refused(event, refused))
        except KeyError as unknown:
            return self._unknown(event, unknown, ())
        except (TypeError, ValueError):
            return self._unknown(event, "fields of that kind", ())
        self.events += 1
        return None

    # Messages -----------------------------------------------------------------------------

    def _message(self, event: Any) -> None:
        if event.endpoint != MESSAGES[event.message].sender:
            raise KeyError(f"{event.message} from the {event.endpoint}")
        fault = fault_of_message(self, event)
        if event.endpoint != GUEST:
            self._cause = ""
        if fault:
            self.faults[fault] += 1
        before = self._position() if fault else ()
        if event.endpoint == GUEST:
            event = self._posted(event)
        self.order.note(event)
        if event.flaw in _BROKEN:
            if event.flaw == "short" and not event.fields:
                self._bus(Shadow("perhaps", event.message, ()))
            self._strange(fault)
            return
        handler = self._messages.get(event.message)
        if handler is None:
            self._bus(event._replace(flaw=""))
        else:
            handler(event)
        if fault in ODD_OFFERS or (fault and before == self._position()):
            self._strange(fault)

    def _blamed(self, failure: Failure) -> Failure:
        """What comes right after a thing without consequence may be a consequence of it."""
        cause = "busy" if self.busy else self._cause
        ids = may_not_matter(cause)
        if not ids or (failure.event[0] == "quiescence" and not self.busy):
            return failure
        broken = Broken(f"{AFTER_FAULT}{cause}", f"nothing may come of it: {cause}", ids)
        self.failure = failure._replace(perhaps=(broken,))
        return self.failure

    def _strange(self, fault: str) -> None:
        """The host did what must have no consequence."""
        self._cause = fault
        self._bus(Shadow("strange", fault, ()))

    def _position(self) -> tuple[Any, ...]:
        """Where everything stands, to see whether a message has changed anything."""
        return (
            self.connection.node,
            *(track.node for track in self.channels.values()),
            *(track.node for track in self.gpadls.values()),
        )

    def _posted(self, event: Any) -> Any:
        """The message without the connection it was posted to, which the connection has heard."""
        *fields, connection = event.fields
        if connection is not None:
            version = fields[0] if event.message == "INITIATE_CONTACT" else 0
            self._bus(Shadow("posted", event.message, (version, connection)))
        return event._replace(fields=tuple(fields))

    def _contact(self, event: Any) -> None:
        self._bus(event)
        self._forget()
        self._processors = event.fields[-1] or 0

    def _exists(self, processor: int) -> bool:
        return not self._processors or processor < self._processors

    def _modify(self, event: Any) -> None:
        relid, processor = event.fields
        self._take(self.channel(relid), self._own(event, 0, processor, self._exists(processor)))

    def _unload(self, event: Any) -> None:
        """The connection hears whether a channel is open."""
        self._bus(event._replace(fields=(self._any_open(self.channels),)))

    def _any_open(self, relids: Iterable[int]) -> bool:
        return any(link.alive and link.link == "open" for link in map(self.link, relids))

    def _about(self, event: Any) -> None:
        """A message that says which channel it is about, and then no more than concerns that."""
        relid, *rest = event.fields
        if event.endpoint == GUEST or relid in self.channels:
            self._take(self.channel(relid), self._own(event, 0, *rest))

    def _offer(self, event: Any) -> None:
        relid, _, instance, index, *_ = event.fields
        fault = fault_of_message(self, event)
        odd = fault if fault in ODD_OFFERS else ""
        track = self.channels.get(relid)
        states: Any = () if track is None else track.node.states
        if track is None or all(s.life in FREE for s in states):
            track = self._new_channel(relid)
            self.primaries.pop(relid, None)
            self.odd[relid] = odd
            if odd == "offer-instance-taken":
                self._take(self.devices[instance], Shadow("odd", odd, ()))
            elif not index:
                self.devices[instance] = track
            elif not odd:
                self.primaries[relid] = self.devices[instance]
        self._take(track, self._own(event, 0, index, odd))

    def _name(self, relid: int, number: int) -> int:
        """The name of a GPADL within the channel, 0 if it is none of the channel's."""
        return self.names.get(relid, {}).get(number, 0)

    def _header(self, event: Any) -> None:
        relid, number = event.fields[:2]
        *_, size, offset, _, repeated = event.fields
        self._take(self._gpadl(number), event._replace(fields=(0, 0, *event.fields[2:7])))
        self.owner[number] = relid
        self._pages[number] = -(-(offset + size) // PAGE)
        (self._torn.add if offset or size % PAGE or repeated else self._torn.discard)(number)
        channel = self.channel(relid)
        names = self.names.setdefault(relid, {})
        if number not in names:
            names[number] = next(n for n in range(1, 1 << 16) if n not in names.values())
        whole = self.phase(number) == "asked"
        self._take(channel, self._own(event, names[number], whole))

    def _own(self, event: Any, *fields: Any) -> Message:
        return Message("message", event.endpoint, event.message, fields)

    def _body(self, event: Any) -> None:
        number, repeated = event.fields[1], event.fields[3]
        if repeated:
            self._torn.add(number)
        self._take(
            self._gpadl(number), event._replace(fields=(event.fields[0], 0, event.fields[2]))
        )
        relid = self.owner[number]
        whole = self.phase(number) == "asked"
        self._take(self.channel(relid), self._own(event, self._name(relid, number), whole))

    def _created(self, event: Any) -> None:
        relid, number, status = event.fields
        if self.owner.get(number) != relid:
            return
        self._take(self._gpadl(number), event._replace(fields=(0, 0, status), flaw=""))
        self._take(self.channel(relid), self._own(event, self._name(relid, number), status))
        self._drop(number)

    def _teardown(self, event: Any) -> None:
        relid, number = event.fields
        name = self._name(relid, number)
        if name or self.owner.get(number) == relid:
            self._take(self._gpadl(number), event._replace(fields=(0, 0)))
        self._take(self.channel(relid), self._own(event, name))

    def _torndown(self, event: Any) -> None:
        number = event.fields[0]
        relid = self.owner.get(number)
        if relid is None:
            return
        self._take(self._gpadl(number), event._replace(fields=(0,), flaw=""))
        self._take(self.channel(relid), self._own(event, self._name(relid, number)))
        self._drop(number)

    def _drop(self, number: int) -> None:
        """An id that is free again has no name any more."""
        if self.phase(number) == "free":
            self.names.get(self.owner[number], {}).pop(number, None)

    def _open(self, event: Any) -> None:
        relid, openid, number, processor, offset = event.fields
        self.openid[relid] = openid
        primary = self.primaries.get(relid)
        parent = primary is None or may_have_subchannels(link_of(primary))
        about = (
            openid == relid,
            parent,
            processor,
            self._exists(processor),
            _halves(offset, self._pages.get(number, 0)),
            number not in self._torn,
        )
        self._take(self.channel(relid), self._own(event, self._name(relid, number), *about))

    def _close(self, event: Any) -> None:
        relid = event.fields[0]
        subs = self.subchannels(relid)
        self._take(self.channel(relid), self._own(event, 0, self._any_open(subs), bool(subs)))

    def _result(self, event: Any) -> None:
        relid, openid, status = event.fields
        if relid in self.channels and self.openid.get(relid) == openid:
            self._take(self.channel(relid), self._own(event, 0, status))

    # Everything else ----------------------------------------------------------------------

    def _signal(self, event: Any) -> None:
        if event.endpoint == GUEST:
            self._take(self.channel(event.child_relid), event._replace(child_relid=0))

    def _call(self, event: Any) -> None:
        self._cause = ""
        if (event.endpoint, event.by) in self.calls:
            raise KeyError(f"a second call of {event.by} while one is in progress")
        self.calls[event.endpoint, event.by] = event
        if event.function in _BUS:
            self._called[event.by] = self.connection
            self._bus(event)
        else:
            device = self.devices.get(event.arguments[0])
            track = self._called[event.by] = self.channel(0) if device is None else device
            self._take(track, event._replace(arguments=event.arguments[1:]))

    def _return(self, event: Any) -> None:
        call = self.calls.pop((event.endpoint, event.by))
        if call.function != event.function:
            raise KeyError(event.function)
        track = self._called.pop(event.by)
        if track is not self.connection:
            self._take(track, event)
            return
        kept = any(self.link(relid).alive for relid in self.channels)
        self._bus(event._replace(outputs=(kept,)))
        if event.function == "kexec" and not event.status:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Another kernel: nothing is left of the calls, nor of the connection."""
        self.calls.clear()
        self._called.clear()
        self._forget()

    def _environment(self, event: Any) -> None:
        name, _, _ = event.action.partition(" ")
        self.faults[name] += 1
        self._cause = ""
        if name == "reset":
            self._bus(event)
            self._begin_anew()
        elif name in ("busy", "spurious"):
            self.busy = self.busy or name == "busy"
            self._strange(name)

    def _quiescence(self) -> None:
        if late := self.order.fall_silent():
            self.faults["answer-delayed"] += late
        links = [self.link(relid) for relid in self.channels]
        functions = {call.function for call in self.calls.values()}
        facts: tuple[str, ...] = ("unloading",) if functions & {"unload", "kexec"} else ()
        facts += ("handover",) if "kexec" in functions else ()
        quiet, held = Quiet("quiescence", facts), Quiet("quiescence", (*facts, "owing"))
        waiting = {id(track) for sub, track in self.primaries.items() if self.link(sub).owes}
        for track in dict.fromkeys((*self.channels.values(), *self._called.values())):
            if track is not self.connection:
                self._take(track, held if id(track) in waiting else quiet)
        for track in self.gpadls.values():
            if not track.node.idle:
                self._take(track, quiet)
        self._bus(held if any(link.owes for link in links) else quiet)
        self.busy = False


def _halves(offset: int, pages: int) -> str:
    """What two rings there are in so many pages, the second from this one on: ``none`` where it is
    not inside, ``bare`` where a ring has a header and no data, else ``both``."""
    if not 0 < offset < pages:
        return "none"
    return "both" if _LEAST <= offset <= pages - _LEAST else "bare"
