"""Events: everything that is observed of an implementation. A trace is a list of them.

Recording points, which every harness keeps so that the order means something under real
threads: a call is recorded before it enters the implementation and its return after it
left; a callback's entry is the first thing the harness does and its exit the last. One
counter under one lock numbers them; the number of an event is its place in the trace.

Events are plain tuples with a kind in front: hashable, comparable and cheap, because an
oracle looks at hundreds of thousands of them a second. ``kmcl_model.trace`` has their
validated JSON form.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

__all__ = [
    "Argument",
    "Call",
    "Enter",
    "Environment",
    "Event",
    "Exit",
    "Lost",
    "Message",
    "Quiescence",
    "Return",
    "Signal",
]

Argument: TypeAlias = int | str | bytes | bool | tuple[str, ...] | None


class Call(NamedTuple):
    """A function is about to be called.

    ``by`` tells who calls: a driver thread (``t0``, ``t1`` …) or the activation of the
    callback in which the call is made (``Started``, ``ProcessPacket.2`` …). Neither has two
    calls in progress, so ``endpoint`` and ``by`` find the return. ``arguments`` stand in the
    order of ``kmcl_model.control.CALLABLE[function].parameters``.
    """

    kind: Literal["call"]
    endpoint: str
    by: str
    function: str
    arguments: tuple[Argument, ...]


class Return(NamedTuple):
    """The call that ``by`` had in progress has returned, with its status (None: void)."""

    kind: Literal["return"]
    endpoint: str
    by: str
    function: str
    status: int | None
    outputs: tuple[Argument, ...]


class Enter(NamedTuple):
    """The implementation has entered a handler of the driver.

    ``activation`` names this run of the handler: the callback's short name (``Opened``), with
    ``.2``, ``.3`` … while another run of it at this endpoint is still going on. ``irql`` is 0
    (PASSIVE_LEVEL), 2 (DISPATCH_LEVEL) or None where it cannot be told.
    """

    kind: Literal["enter"]
    endpoint: str
    activation: str
    callback: str
    arguments: tuple[Argument, ...]
    irql: int | None = None


class Exit(NamedTuple):
    """The handler is about to return, with its status (None: void)."""

    kind: Literal["exit"]
    endpoint: str
    activation: str
    callback: str
    status: int | None


class Environment(NamedTuple):
    """The world around the implementation has acted, because a test told it to."""

    kind: Literal["environment"]
    endpoint: str
    action: str


class Message(NamedTuple):
    """An end of the bus (``guest`` or ``host``) has sent a control message.

    ``fields`` stand in the order of ``kmcl_model.control.MESSAGES[message].fields``. ``flaw`` says
    what a test made wrong with a message of the host.
    """

    kind: Literal["message"]
    endpoint: str
    message: str
    fields: tuple[Argument, ...]
    flaw: str = ""


class Signal(NamedTuple):
    """An end of the bus has signalled a channel."""

    kind: Literal["signal"]
    endpoint: str
    child_relid: int


class Quiescence(NamedTuple):
    """Nothing more will happen without a new stimulus.

    ``exact``: the implementation could tell. Otherwise an idle time has passed.
    """

    kind: Literal["quiescence"]
    exact: bool


class Lost(NamedTuple):
    """The implementation is gone: ``reason`` is ``crash``, ``hang``, ``flood`` or ``garbage``."""

    kind: Literal["lost"]
    reason: str
    detail: str


Event: TypeAlias = Call | Return | Enter | Exit | Environment | Message | Signal | Quiescence | Lost
