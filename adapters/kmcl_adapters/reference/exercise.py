"""A seeded walk over the whole interface: a smoke test for any adapter, without a verdict.

It drives both ends through configurations, traffic, pauses, closes and faults by chance and
knows nothing of what should happen; two implementations that behave alike give the same events.
"""

from __future__ import annotations

from random import Random
from typing import Final

from kmcl_adapters.interface import Session
from kmcl_model.api import (
    CLOSED,
    COMPLETION_ROUTINE,
    OPENED,
    POST_STARTED,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
    STARTED,
    STATE_CHANGE_CALLBACKS,
    SUSPEND,
)
from kmcl_model.events import Argument, Event
from kmcl_model.payload import TAGS, Payload, payload_bytes
from kmcl_model.status import STATUS_UNSUCCESSFUL
from kmcl_model.stimuli import (
    HOLD,
    Act,
    Arm,
    Environ,
    Invoke,
    Reaction,
    Release,
    Run,
    Settle,
    Stimulus,
)

__all__ = ["walk"]

ENDPOINTS: Final = ("server", "client")
PACKETS: Final = 8
MAXIMUM: Final = 1000
LENGTHS: Final = (0, 1, 8, 13, 64, 101, 999, MAXIMUM)
SHORT: Final = (
    "Opened",
    "Closed",
    "Suspend",
    "Started",
    "PostStarted",
    "ProcessPacket",
    "ProcessPacket.2",
    "ProcessingComplete",
    "CompletionRoutine",
    "CompletionRoutine.2",
)
COMPLETE: Final = Act("VmbChannelPacketComplete", ("this", b"answer in eleven", None))

ODD: Final[tuple[tuple[str, tuple[Argument, ...]], ...]] = (
    ("VmbChannelInitSetFlags", (0,)),
    ("VmbChannelInitSetFlags", (1 << 31,)),
    ("VmbChannelInitSetClientContextSize", (16,)),
    ("VmbChannelInitSetFriendlyName", ("name",)),
    ("VmbChannelInitSetMaximumExternalData", (4096, 1)),
    ("VmbChannelInitSetMaximumExternalData", (0, 1)),
    ("VmbChannelInitSetMaximumExternalData", (1, 0)),
    ("VmbChannelInitSetMaximumPacketSize", (0,)),
    ("VmbChannelInitSetMaximumPacketSize", (MAXIMUM,)),
    ("VmbChannelInitSetProcessPacketCallbacks", (True, False)),
    ("VmbChannelInitSetProcessPacketCallbacks", (True, True)),
    ("VmbChannelInitSetStateChangeCallbacks", (2, "size", STATE_CHANGE_CALLBACKS)),
    ("VmbChannelInitSetStateChangeCallbacks", (1, 40, STATE_CHANGE_CALLBACKS)),
    ("VmbChannelInitSetStateChangeCallbacks", (1, 56, STATE_CHANGE_CALLBACKS)),
    ("VmbClientChannelInitSetRingBufferPageCount", (0, 0)),
    ("VmbClientChannelInitSetRingBufferPageCount", (1, 1)),
    ("VmbClientChannelInitSetTargetPnp", ("type", None, True)),
    ("VmbServerChannelInitSetFlags", (1,)),
    ("VmbServerChannelInitSetFlags", (1 << 31,)),
    ("VmbServerChannelInitSetVmbusHandle", ("bus",)),
    ("VmbChannelSetPointer", ("pointer",)),
    ("VmbPacketSetPointer", ("p1", "other")),
    ("VmbChannelGetPointer", ()),
    ("VmbChannelSizeofPacket", ()),
    ("VmbPacketInitialize", ("m0", "sizeof")),
    ("VmbPacketInitialize", ("m1", "maximum+pointer")),
    ("VmbPacketInitialize", ("m2", MAXIMUM + 20)),
    ("VmbPacketInitialize", ("m3", "sizeof")),
    ("VmbPacketGetChannel", ("m3",)),
    ("VmbPacketSetCompletionRoutine", ("m3",)),
    ("VmbPacketSend", ("m3", b"from memory", 1)),
    ("VmbPacketSetPointer", ("p0", "mine")),
    ("VmbPacketSend", ("p0", b"with pointer", 1)),
    ("VmbPacketGetPointer", ("p0",)),
    ("VmbPacketSend", ("p0", bytes(MAXIMUM + 1), 0)),
    ("VmbPacketSend", ("p0", b"flags", 1 << 31)),
    ("VmbPacketAllocate", ("x0",)),
    ("VmbPacketSend", ("x0", b"frees itself", 1)),
    ("VmbPacketFree", ("p7",)),
)


class _Walk:
    """The state of one walk: whom it drives, and the dice."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session = session
        self.random = Random(seed)
        self.tag = 0

    def apply(self, *stimuli: Stimulus) -> None:
        for stimulus in stimuli:
            self.session.apply(stimulus)

    def call(self, endpoint: str, function: str, *arguments: Argument, by: str = "t0") -> None:
        self.apply(Invoke("invoke", endpoint, by, function, arguments))

    def settle(self) -> None:
        self.apply(Settle("settle"))

    def configure(self, endpoint: str) -> None:
        dice = self.random
        client = endpoint == "client"
        self.call(endpoint, "VmbChannelAllocate", not client)
        for _ in range(dice.randrange(4)):
            self.odd(endpoint)
        self.call(endpoint, "VmbChannelInitSetMaximumPacketSize", MAXIMUM)
        self.call(endpoint, "VmbChannelInitSetProcessPacketCallbacks", True, dice.random() < 0.9)
        names = tuple(n for n in STATE_CHANGE_CALLBACKS if dice.random() < 0.95)
        self.call(endpoint, "VmbChannelInitSetStateChangeCallbacks", 1, "size", names)
        if client:
            if dice.random() < 0.6:
                self.call(endpoint, "VmbClientChannelInitSetRingBufferPageCount", 1, 1)
            instance = "instance" if dice.random() < 0.9 else None
            self.call(endpoint, "VmbClientChannelInitSetTargetPnp", "type", instance, True)
        else:
            self.call(endpoint, "VmbServerChannelInitSetTargetInterfaceId", "type", "instance")
        if dice.random() < 0.7:
            self.call(endpoint, "VmbChannelSetTransactionQuota", dice.randrange(1, 5))
        for number in range(PACKETS):
            self.call(endpoint, "VmbPacketAllocate", f"p{number}")
            self.call(endpoint, "VmbPacketSetCompletionRoutine", f"p{number}")
        if dice.random() < 0.5:
            reaction = Reaction((COMPLETE,), sticky=True)
            self.apply(Arm("arm", endpoint, PROCESS_PACKET, reaction))
        if dice.random() < 0.25:
            self.react(endpoint)
        if dice.random() < 0.15:
            self.call(endpoint, "VmbChannelPause")
            if dice.random() < 0.3:
                self.call(endpoint, "VmbChannelStart")

    def enable(self) -> None:
        calls = [("server", "VmbChannelEnable"), ("client", "VmbChannelEnable")]
        self.random.shuffle(calls)
        for endpoint, function in calls:
            self.call(endpoint, function)
        if self.random.random() < 0.85:
            self.call("server", "VmbChannelStart")

    # One step each

    def odd(self, endpoint: str) -> None:
        first = self.random.randrange(len(ODD))
        for function, arguments in ODD[first : first + 3]:
            self.call(endpoint, function, *arguments)

    def send(self, endpoint: str, by: str = "t0") -> None:
        dice = self.random
        number = dice.randrange(PACKETS)
        data = self.payload(dice.choice(LENGTHS))
        self.call(endpoint, "VmbPacketSend", f"p{number}", data, dice.randrange(2), by=by)

    def payload(self, length: int) -> bytes:
        """Bytes with the next tag: neighbours in the ring can be told apart."""
        self.tag = (self.tag + 1) % TAGS
        return payload_bytes(Payload(self.tag, length))

    def burst(self, endpoint: str) -> None:
        for _ in range(self.random.randrange(2, PACKETS)):
            self.send(endpoint)

    def flood(self, endpoint: str) -> None:
        for number in range(PACKETS):
            flags = self.random.randrange(2)
            self.call(endpoint, "VmbPacketSend", f"p{number}", self.payload(MAXIMUM), flags)

    def complete(self, endpoint: str) -> None:
        dice = self.random
        answer = dice.choice((None, b"odd answer of nineteen", b"12345678"))
        name = f"c{dice.randrange(4)}"
        self.call(endpoint, "VmbChannelPacketComplete", name, answer, None, by="t2")

    def retire(self, endpoint: str, context: str) -> None:
        self.call(endpoint, "VmbChannelPacketComplete", context, None, None, by="t2")

    def react(self, endpoint: str) -> None:
        dice = self.random
        send = Act("VmbPacketSend", (f"p{dice.randrange(PACKETS)}", self.payload(11), 1))
        again = Act("VmbPacketSend", ("this", self.payload(5), 1))
        own = Act("VmbChannelPacketComplete", (f"c{dice.randrange(3)}", b"later", None))
        callback, reaction = dice.choice(
            (
                (OPENED, Reaction((), STATUS_UNSUCCESSFUL)),
                (OPENED, Reaction((HOLD,))),
                (OPENED, Reaction((HOLD,), STATUS_UNSUCCESSFUL)),
                (CLOSED, Reaction((HOLD,))),
                (CLOSED, Reaction((send,))),
                (SUSPEND, Reaction((HOLD,))),
                (SUSPEND, Reaction((own,))),
                (STARTED, Reaction((HOLD,))),
                (STARTED, Reaction((send,))),
                (POST_STARTED, Reaction((HOLD, own))),
                (PROCESS_PACKET, Reaction((HOLD, COMPLETE))),
                (PROCESS_PACKET, Reaction((COMPLETE, send))),
                (PROCESS_PACKET, Reaction((Act("VmbChannelPacketFail", ("this",)),))),
                (PROCESSING_COMPLETE, Reaction((HOLD,))),
                (COMPLETION_ROUTINE, Reaction((HOLD,))),
                (COMPLETION_ROUTINE, Reaction((again,))),
                (COMPLETION_ROUTINE, Reaction((send,))),
            )
        )
        self.apply(Arm("arm", endpoint, callback, reaction))

    def release(self, endpoint: str) -> None:
        for name in self.random.sample(SHORT, 4):
            self.apply(Release("release", endpoint, name))

    def run(self, endpoint: str) -> None:
        for _ in range(self.random.randrange(1, 5)):
            self.apply(Run("run", self.random.randrange(8)))

    def control(self, endpoint: str) -> None:
        function = self.random.choice(
            (
                "VmbChannelPause",
                "VmbChannelPause",
                "VmbChannelStart",
                "VmbChannelStart",
                "VmbChannelDisable",
                "VmbChannelDisable",
                "VmbChannelEnable",
                "VmbChannelEnable",
                "VmbChannelEnable",
            )
        )
        self.call(endpoint, function, by=self.random.choice(("t0", "t0", "t1")))

    def quota(self, endpoint: str) -> None:
        self.call(endpoint, "VmbChannelSetTransactionQuota", self.random.randrange(1, 4))

    def fault(self, endpoint: str) -> None:
        action = self.random.choice(("spurious", "spurious", "malformed", "crash"))
        self.apply(Environ("environment", endpoint, action))

    def finish(self) -> None:
        """Let go of everything, disable and clean up."""
        for function in (None, "VmbChannelDisable"):
            for endpoint in ENDPOINTS:
                if function is not None:
                    self.call(endpoint, function, by="t3")
            for _ in range(PACKETS):
                self.settle()
                for endpoint in ENDPOINTS:
                    for name in SHORT:
                        self.apply(Release("release", endpoint, name))
                    for number in range(2 * PACKETS):
                        self.retire(endpoint, f"c{number}")
        for endpoint in ENDPOINTS:
            self.call(endpoint, "VmbChannelCleanup", by="t4")


_STEPS: Final = {
    _Walk.odd: 3,
    _Walk.send: 10,
    _Walk.burst: 5,
    _Walk.flood: 2,
    _Walk.complete: 12,
    _Walk.react: 7,
    _Walk.release: 6,
    _Walk.run: 12,
    _Walk.control: 9,
    _Walk.quota: 4,
    _Walk.fault: 1,
}


def walk(session: Session, seed: int, steps: int = 60) -> list[Event]:
    """Drive a fresh session by chance, wind it up and return all its events."""
    walker = _Walk(session, seed)
    for endpoint in ENDPOINTS:
        walker.configure(endpoint)
    walker.enable()
    for step in walker.random.choices(tuple(_STEPS), tuple(_STEPS.values()), k=steps):
        if walker.random.random() < 0.2:
            walker.settle()
        step(walker, walker.random.choice(ENDPOINTS))
    walker.finish()
    return session.take()
