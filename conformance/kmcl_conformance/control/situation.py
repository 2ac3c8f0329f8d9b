"""What the host and the guest's user may do now, as far as the judge knows where the guest stands.

The host keeps the rules of hosts even where it does wrong on purpose: it sends no message before
the guest has made contact, takes no relid twice, rescinds subchannels before their primary. A
device is offered twice only as a fault, and only while nobody uses it; nobody does until both
channels are gone, because nothing is written of what the guest should make of it. An answer that
nobody waits for could be taken for the answer to a later request if that is on its way already; so
it is sent only while the guest stands still, and nothing else is done before the guest stands still
again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.control import CLASS_OF_HEARTBEAT, GUEST, MESSAGES, MOST_RELIDS, USER_CALLS
from kmcl_model.stimuli import Environ, Invoke, Post, Run, Settle, Stimulus

from .faults import ODD_OFFERS, offer_fault
from .judge import ControlJudge
from .setup import HEARTBEAT, RELIDS
from .tracks import FREE, state_of

__all__ = ["Situation", "Waiting"]

_UNUSED = frozenset(ODD_OFFERS) - {"offer-relid-out-of-range"}
"""After such an offer nobody uses the device."""


class Waiting(NamedTuple):
    """An answer that the guest waits for: the message, and the channel where it is about one."""

    message: str
    relid: int = 0


class Situation:
    """Looks at a judge."""

    def __init__(self, judge: ControlJudge) -> None:
        self.judge = judge
        self.capabilities: frozenset[str] | None = None
        """What the guest and its host can do; None: everything."""
        self.offers: dict[int, tuple[Any, ...]] = {}
        """What was offered last, by relid."""
        self.calm = False
        """Nothing has happened since the guest fell silent."""
        self.unseen: set[str] = set()
        """Devices that were offered since the guest last fell silent: it may not know them yet."""
        self.unsettled = False
        """The host has sent what may be misunderstood unless the guest falls silent first."""

    # What is known ------------------------------------------------------------------------

    @property
    def connection(self) -> Any:
        """The state of the connection."""
        return self.judge.known()

    @property
    def phase(self) -> str:
        """The phase of the connection."""
        return str(self.connection.phase)

    def state(self, relid: int) -> Any:
        """The state of a channel, or what is left of one."""
        return self.judge.state(relid)

    def channel_of(self, device: str) -> Any:
        """The state of the primary channel of a device; None where it was never offered."""
        track = self.judge.devices.get(device)
        return None if track is None else state_of(track)

    def relids(self) -> list[int]:
        """Every relid with a channel, in the order of the offers."""
        return list(self.judge.channels)

    def free_relids(self) -> list[int]:
        """Of the relids that a host uses here, those that can be offered."""
        return [r for r in RELIDS if r not in self.judge.channels or self.state(r).life in FREE]

    def subchannels(self, relid: int) -> list[int]:
        """The subchannels of a channel that are not released."""
        found = self.judge.subchannels(relid)
        return [sub for sub in found if self.state(sub).life not in FREE]

    def waiting(self) -> list[Waiting]:
        """The answers that the guest waits for."""
        found = []
        c = self.connection
        if c.phase == "contacting":
            found.append(Waiting("VERSION_RESPONSE"))
        if c.phase == "requested" and not c.offered:
            found.append(Waiting("ALLOFFERS_DELIVERED"))
        if c.phase == "unloading":  # for the host everything else is over
            return [Waiting("UNLOAD_RESPONSE")]
        for relid in self.relids():
            s = self.state(relid)
            phases = [phase for _, phase in s.gpadls]
            if "asked" in phases and "partial" not in phases:
                found.append(Waiting("GPADL_CREATED", relid))
            if "leaving" in phases:
                found.append(Waiting("GPADL_TORNDOWN", relid))
            if s.link == "opening":
                found.append(Waiting("OPENCHANNEL_RESULT", relid))
            if s.moving:
                found.append(Waiting("MODIFYCHANNEL_RESPONSE", relid))
        return found

    def idle_thread(self) -> str:
        """A thread of the user that has no call in progress."""
        n = 0
        while (GUEST, f"u{n}") in self.judge.calls:
            n += 1
        return f"u{n}"

    def calls_on(self, device: str) -> list[str]:
        """The functions that the user has in progress on a device."""
        return [c.function for c in self.judge.calls.values() if c.arguments[:1] == (device,)]

    # What is allowed ----------------------------------------------------------------------

    def is_enabled(self, stimulus: Stimulus) -> bool:
        """Whether a test may do this now."""
        if isinstance(stimulus, Settle | Run):
            return True
        if self.unsettled:
            return False
        if isinstance(stimulus, Post):
            return self._may_post(stimulus)
        if isinstance(stimulus, Invoke):
            free = (stimulus.endpoint, stimulus.by) not in self.judge.calls
            return stimulus.endpoint == GUEST and free and self._may_call(stimulus)
        if isinstance(stimulus, Environ):
            return self._may_happen(stimulus.action)
        return False

    def _can(self, capability: str) -> bool:
        return self.capabilities is None or capability in self.capabilities

    def _may_happen(self, action: str) -> bool:
        name, _, _ = action.partition(" ")
        if not self._can(name):
            return False
        if name == "spurious":
            return self.phase == "requested"
        return action in ("reset", "busy") and self.phase not in ("down", "gone")

    def _may_post(self, post: Post) -> bool:
        kind = MESSAGES[post.message]
        phase = self.phase
        if post.flaw == "lost":
            return _answer(post) in self.waiting()
        if post.flaw in ("short", "unknown type"):
            return phase == "requested" or _answer(post) in self.waiting()
        if post.message == "OFFERCHANNEL":
            return phase == "requested" and self._may_offer(post.fields)
        if post.message == "RESCIND_CHANNELOFFER":
            return phase == "requested" and self._may_rescind(int(str(post.fields[0])))
        if not kind.answers:
            return False
        if _answer(post) in self.waiting():
            return True
        if post.flaw or phase not in ("requested", "gone"):
            return False
        if post.message == "ALLOFFERS_DELIVERED":
            return bool(phase == "requested")
        return self.calm and not self.judge.calls and self.quiet()

    def quiet(self) -> bool:
        """Whether no channel waits for anything."""
        return not any(self.judge.link(relid).owes for relid in self.relids())

    def _may_offer(self, fields: tuple[Any, ...]) -> bool:
        relid, _, device, index, *_ = fields
        if self.judge.is_there(relid):
            return self.offers.get(relid) == fields and self.state(relid).life == "offered"
        primary = self.channel_of(device)
        if primary is None or primary.life in FREE:
            free = primary is None or not (primary.descriptors or self.calls_on(device))
            return free and not self.is_odd(device) and (not index or self.calm)
        if primary.odd:
            return False
        if index:
            return bool(primary.life == "offered")
        return 0 < relid < MOST_RELIDS and self._may_take(device, primary)

    def _may_take(self, device: str, primary: Any) -> bool:
        """Whether nobody uses a device, so that it can be offered under another relid."""
        idle = primary.life == "offered" and not primary.bound and primary.link == "closed"
        used = primary.gpadls or self.calls_on(device) or device == HEARTBEAT
        return bool(idle and self.calm and not used and not self._has_subchannels(device))

    def _has_subchannels(self, device: str) -> bool:
        track = self.judge.devices[device]
        return any(self.judge.primaries.get(relid) is track for relid in self.relids())

    def is_odd(self, device: str) -> bool:
        """Whether the device was offered twice, or has a subchannel and no primary channel: nobody
        uses it then."""
        return any(
            self.judge.odd.get(relid) in _UNUSED
            and self.offers[relid][2] == device
            and self.state(relid).life not in FREE
            for relid in self.relids()
        ) or self._was_taken(device)

    def _was_taken(self, device: str) -> bool:
        primary = self.channel_of(device)
        taken = primary is not None and primary.odd == "offer-instance-taken"
        return bool(taken and primary.life not in FREE)

    def _may_rescind(self, relid: int) -> bool:
        if relid not in self.judge.channels:
            return True
        return all(self.state(sub).life != "offered" for sub in self.subchannels(relid))

    def _may_call(self, invoke: Invoke) -> bool:
        if not self._can(USER_CALLS[invoke.function].capability):
            return False
        c = self.connection
        functions = [call.function for call in self.judge.calls.values()]
        if invoke.function == "load":
            return not functions and c.phase in ("down", "gone", "refused")
        if invoke.function == "unload":
            return not functions and self._loaded() and not self._is_used()
        if invoke.function == "kexec":
            return (c.phase in ("down", "gone") and not functions) or self._may_hand_over(functions)
        if not self._loaded():
            return False
        device = str(invoke.arguments[0])
        s = self.channel_of(device)
        if s is None or device in self.unseen or self.is_odd(device):
            return False
        return self._may_use(invoke.function, s, self.calls_on(device))

    def _may_hand_over(self, functions: list[str]) -> bool:
        """While a driver takes a device or gives it up, Linux waits for that before it shuts its
        devices down, and a guest that waits there is not told from one that hangs."""
        stock = [relid for relid in self.relids() if self.is_stock(relid)]
        probing = {"bind", "unbind"} & {*functions} or any(self.judge.link(r).owes for r in stock)
        return self._loaded() and not probing

    def _is_used(self) -> bool:
        """Whether a device is open, or being opened: its driver cannot leave then. Those of the
        kernel's own close theirs."""
        if any(state_of(track).descriptors for track in self.judge.devices.values()):
            return True  # of a device that is gone as well, whose relid may be another's by now
        states = {relid: self.state(relid) for relid in self.relids()}
        return any(
            s.descriptors
            or s.link not in (("open", "closed") if self.is_stock(relid) else ("closed",))
            or any(phase != "created" for _, phase in s.gpadls)
            for relid, s in states.items()
        )

    def is_stock(self, relid: int) -> bool:
        """Whether the channel is one of the kernel's own drivers."""
        return relid in self.offers and self.offers[relid][1] == CLASS_OF_HEARTBEAT

    def _loaded(self) -> bool:
        c = self.connection
        return bool(c.phase == "requested" and c.offered and not c.calls)

    def _may_use(self, function: str, s: Any, going_on: list[str]) -> bool:
        if function == "open":
            return bool(s.bound) and not set(going_on) - {"open", "close"}
        if function == "close":
            return bool(s.descriptors > going_on.count("close")) and "unbind" not in going_on
        if going_on:
            return False
        if function == "bind":
            return s.life == "offered" and not s.bound
        if function == "unbind":
            return s.life == "offered" and bool(s.bound) and not s.descriptors
        return bool(s.descriptors)

    # What has happened --------------------------------------------------------------------

    def note(self, stimulus: Stimulus) -> None:
        """A stimulus is about to be applied."""
        self.calm = False
        if not isinstance(stimulus, Post):
            return
        if MESSAGES[stimulus.message].answers:
            again = _answer(stimulus) not in self.waiting()
            self.unsettled = again or (stimulus.flaw == "short" and not stimulus.fields)
        else:
            self._note_channel(stimulus)

    def _note_channel(self, post: Post) -> None:
        """An offer or a rescind that comes again must be handled before the relid is used anew."""
        relid = int(str(post.fields[0]))
        if post.message == "OFFERCHANNEL":
            fault = offer_fault(self.judge, post.fields)
            self.unsettled = fault == "offer-again" or fault in ODD_OFFERS
            if not post.flaw:
                self.offers[relid] = post.fields
                self.unseen.add(str(post.fields[2]))
        else:
            is_there = self.judge.is_there(relid)
            self.unsettled = not is_there or self.state(relid).life != "offered"

    def see(self, event: Any) -> None:
        """An event was accepted."""
        if event[0] == "quiescence":
            self.calm, self.unsettled = True, False
            # Devices are registered one after the other: a driver that waits holds up the next.
            waits = [r for r in self.relids() if self.is_stock(r) and self.judge.link(r).owes]
            if not waits:
                self.unseen.clear()


def _answer(post: Post) -> Waiting:
    """Whose answer a message would be."""
    about = MESSAGES[post.message].given[:1] == ("child_relid",)
    return Waiting(post.message, int(str(post.fields[0])) if about else 0)
