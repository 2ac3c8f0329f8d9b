"""The driver of one end: makes the calls, is called back, and records both."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from kmcl_adapters.reference.library.configuration import Configuration, StateHandler
from kmcl_adapters.reference.library.packet import Packet, Received, Then
from kmcl_model.api import (
    CALLBACKS,
    COMPLETION_ROUTINE,
    FUNCTIONS,
    PNP_FAILURE,
    PROCESS_PACKET,
    PROCESSING_COMPLETE,
)
from kmcl_model.events import Argument, Call, Enter, Event, Exit, Return
from kmcl_model.stimuli import Reaction

from .activation import Activation
from .calls import CALLS

if TYPE_CHECKING:
    from kmcl_adapters.reference.library.channel import Channel

    from .session import Session

__all__ = ["Driver", "short_name"]

PASSIVE: Final = 0
CONTEXTS: Final = tuple(f"c{i}" for i in range(256))


def short_name(callback: str) -> str:
    """A callback's name without its prefix: ``Opened``, ``CompletionRoutine``."""
    for prefix in ("EvtVmbChannel", "EvtVmbPacket", "EvtChannel"):
        callback = callback.removeprefix(prefix)
    return callback


ARITY: Final = {name: len(function.parameters) for name, function in FUNCTIONS.items()}
SHORT: Final = {name: short_name(name) for name in CALLBACKS}
VOID: Final = {name: callback.returns == "void" for name, callback in CALLBACKS.items()}


class Driver:
    """One end's driver, with its channel while it has one."""

    __slots__ = (
        "activations",
        "armed",
        "busy",
        "channel",
        "context_names",
        "contexts",
        "dead",
        "endpoint",
        "names",
        "packets",
        "record",
        "session",
        "sizeof",
    )

    def __init__(self, session: Session, endpoint: str, events: list[Event]) -> None:
        self.session = session
        self.endpoint = endpoint
        self.record = events.append
        self.channel: Channel | None = None
        self.dead = False
        self.sizeof: int | None = None
        self.packets: dict[str, Packet] = {}
        self.names: dict[Packet, str] = {}
        self.contexts: dict[str, Received] = {}
        self.context_names: dict[Received, str] = {}
        self.busy: set[str] = set()
        self.armed: dict[str, deque[Reaction]] = {}
        self.activations: dict[str, Activation] = {}

    # Calls into the library

    def call(
        self,
        by: str,
        function: str,
        arguments: tuple[Argument, ...],
        activation: Activation | None = None,
    ) -> bool:
        """Make a call; false if it has not returned yet."""
        entry = CALLS.get(function)
        if entry is None or self.dead or by in self.busy or len(arguments) != ARITY[function]:
            return True
        prepare, execute = entry
        actual = prepare(self, arguments, activation)
        if actual is None:
            return True
        self.record(Call("call", self.endpoint, by, function, actual.arguments))
        result = execute(self, actual)
        if isinstance(result, tuple):
            status, outputs = result
            self.record(Return("return", self.endpoint, by, function, status, outputs))
            return True
        self.busy.add(by)
        result.then = partial(self.returned, by, function, activation, result.status)
        return False

    def returned(
        self, by: str, function: str, activation: Activation | None, status: int | None
    ) -> None:
        """A call that had to wait returns."""
        if self.dead:
            return
        self.busy.discard(by)
        self.record(Return("return", self.endpoint, by, function, status, ()))
        if activation is not None:
            activation.resume()

    # Calls out of the library

    def enter(
        self,
        callback: str,
        arguments: tuple[Argument, ...],
        irql: int,
        then: Then,
        this: str | None = None,
    ) -> None:
        """A handler is entered: do what is armed for it."""
        short = SHORT[callback]
        name = short
        if short in self.activations:
            number = 2
            while (name := f"{short}.{number}") in self.activations:
                number += 1
        endpoint = self.endpoint
        self.record(Enter("enter", endpoint, name, callback, arguments, irql))
        queue = self.armed.get(callback)
        if not queue:
            self.record(Exit("exit", endpoint, name, callback, None if VOID[callback] else 0))
            then(0)
            return
        reaction = queue[0] if queue[0].sticky else queue.popleft()
        status = None if VOID[callback] else reaction.status
        if not reaction.steps:
            self.record(Exit("exit", endpoint, name, callback, status))
            then(status or 0)
            return
        activation = Activation(self, name, callback, reaction.steps, status, then, this)
        self.activations[name] = activation
        activation.resume()

    def leave(self, activation: Activation) -> None:
        """A handler returns to the library."""
        del self.activations[activation.name]
        self.record(
            Exit("exit", self.endpoint, activation.name, activation.callback, activation.status)
        )
        activation.then(activation.status or 0)

    def arm(self, callback: str, reaction: Reaction) -> None:
        """Queue a reaction; it takes the place of a sticky one."""
        queue = self.armed.setdefault(callback, deque())
        if queue and queue[-1].sticky:
            queue.pop()
        queue.append(reaction)

    def release(self, name: str) -> None:
        """Let a held handler go on."""
        activation = self.activations.get(name)
        if activation is not None and activation.held and not self.dead:
            activation.resume()

    # Handlers

    def handle_name(self, channel: object) -> str:
        """The endpoint that a channel handle belongs to."""
        return self.session.endpoint_of(channel)

    def state_handler(self, callback: str) -> StateHandler:
        """The handler for one state-change callback."""

        def handler(channel: Configuration, irql: int, then: Then) -> None:
            self.enter(callback, (self.handle_name(channel),), irql, then)

        return handler

    def on_process_packet(
        self,
        channel: Configuration,
        received: Received,
        buffer: bytes,
        flags: int,
        irql: int,
        then: Then,
    ) -> None:
        """EvtVmbChannelProcessPacket."""
        name = self.context_names.get(received)
        if name is None:
            contexts = self.contexts
            name = next(free for free in CONTEXTS if free not in contexts)
            contexts[name] = received
            self.context_names[received] = name
        arguments = (self.handle_name(channel), name, buffer, flags)
        self.enter(PROCESS_PACKET, arguments, irql, then, name)

    def on_processing_complete(
        self, channel: Configuration, count: int, irql: int, then: Then
    ) -> None:
        """EvtVmbChannelProcessingComplete."""
        self.enter(PROCESSING_COMPLETE, (self.handle_name(channel), count), irql, then)

    def on_completion(
        self, packet: Packet, status: int, buffer: bytes | None, irql: int, then: Then
    ) -> None:
        """EvtVmbPacketCompletionRoutine."""
        name = self.names.get(packet, "?")
        self.enter(COMPLETION_ROUTINE, (name, status, buffer or None), irql, then, name)

    def on_pnp_failure(self, channel: Configuration, status: int, then: Then) -> None:
        """EvtChannelPnpFailure."""
        self.enter(PNP_FAILURE, (self.handle_name(channel), status), PASSIVE, then)

    # Names

    def name_packet(self, name: str, packet: Packet) -> None:
        """The tester's name for a packet object."""
        self.packets[name] = packet
        self.names[packet] = name

    def forget_packet(self, name: str) -> None:
        """The object behind a name is gone."""
        del self.names[self.packets.pop(name)]

    def take_context(self, name: str) -> Received | None:
        """The context behind a name, which is free from now on; None if it is not alive."""
        received = self.contexts.pop(name, None)
        if received is not None:
            del self.context_names[received]
        return received

    def forget_all(self) -> None:
        """The channel is gone, and everything that belonged to it."""
        self.channel = None
        self.sizeof = None
        self.packets.clear()
        self.names.clear()
        self.contexts.clear()
        self.context_names.clear()

    def waiting(self) -> bool:
        """Whether a call has not returned yet or a handler is running."""
        return bool(self.busy or self.activations)
