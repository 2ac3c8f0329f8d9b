"""Stimuli: what a test does. A case is a list of them.

Plain tuples, as events are; ``kmcl_model.case`` has their validated JSON form.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from .events import Argument

__all__ = [
    "HOLD",
    "Act",
    "Arm",
    "Environ",
    "Hold",
    "Invoke",
    "Post",
    "Reaction",
    "Release",
    "Run",
    "Settle",
    "Step",
    "Stimulus",
]


class Act(NamedTuple):
    """A call made inside a callback. The context ``this`` stands for the one just indicated."""

    function: str
    arguments: tuple[Argument, ...] = ()


class Hold(NamedTuple):
    """The callback does not go on before a ``Release`` names it."""

    kind: Literal["hold"] = "hold"


HOLD = Hold()

Step: TypeAlias = Act | Hold


class Reaction(NamedTuple):
    """What a handler does: its steps in order, then it returns ``status``.

    A ``sticky`` reaction stays until another one is armed; any other serves one activation.
    The reaction of a handler that was never armed is to return STATUS_SUCCESS at once.
    """

    steps: tuple[Step, ...] = ()
    status: int = 0
    sticky: bool = False


class Invoke(NamedTuple):
    """Start a call from driver thread ``by``. It may still be in progress afterwards."""

    kind: Literal["invoke"]
    endpoint: str
    by: str
    function: str
    arguments: tuple[Argument, ...] = ()


class Arm(NamedTuple):
    """Queue a reaction for the next activation of a callback at an endpoint."""

    kind: Literal["arm"]
    endpoint: str
    callback: str
    reaction: Reaction


class Release(NamedTuple):
    """Let the named held activation go on; nothing happens if it is not held."""

    kind: Literal["release"]
    endpoint: str
    activation: str


class Environ(NamedTuple):
    """Let the world act on an endpoint: ``crash`` (the end dies without a word), ``malformed``
    (the end writes a broken packet into its outgoing ring), ``spurious`` (a signal to the end
    that announces nothing), ``signal-delayed`` and ``signal-coalesced`` (signals to the end wait
    until the next ``Settle``; then all of them come, or one), ``signal-masked`` (its incoming
    ring is masked behind its back, then it is signalled). Of the bus: ``reset`` (the guest's
    machine starts anew), ``busy`` (the host has no room for the guest's next message)."""

    kind: Literal["environment"]
    endpoint: str
    action: str


class Post(NamedTuple):
    """Let the host send a control message.

    ``fields`` stand in the order of ``kmcl_model.control.MESSAGES[message].given``; the others are
    taken from the oldest request that waits for this answer, or from the last one answered.
    """

    kind: Literal["post"]
    message: str
    fields: tuple[Argument, ...] = ()
    flaw: str = ""


class Run(NamedTuple):
    """Let a schedulable implementation take one internal step: number ``choice`` modulo the
    number of steps that could run. Nothing happens where none can."""

    kind: Literal["run"]
    choice: int


class Settle(NamedTuple):
    """Wait until nothing more happens; the trace then shows a quiescence event."""

    kind: Literal["settle"]


Stimulus: TypeAlias = Invoke | Arm | Release | Environ | Post | Run | Settle
