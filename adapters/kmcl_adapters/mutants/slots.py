"""Defects of the state-change table: an event that calls the handler of another one."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.configuration import StateTable
from kmcl_adapters.reference.library.lifecycle import Lifecycle
from kmcl_adapters.reference.library.packet import Then
from kmcl_model.api import OPENED, POST_STARTED, STARTED, SUSPEND

from .mutant import Mutant

__all__ = ["MUTANTS"]


class TableSwapped(Channel):
    """Reads two entries of the table in each other's place."""

    swapped: tuple[str, str]

    def set_state_change_callbacks(self, table: StateTable) -> int:
        one, other = self.swapped
        names = {one: other, other: one}
        handlers = {names.get(name, name): handler for name, handler in table.handlers.items()}
        return super().set_state_change_callbacks(table._replace(handlers=handlers))


class StartedAndPostStartedSwapped(TableSwapped):
    swapped = STARTED, POST_STARTED


class SuspendAndStartedSwapped(TableSwapped):
    swapped = SUSPEND, STARTED


class ResumeCallsOpened(Lifecycle):
    def call(self, callback: str, then: Then) -> bool:
        resumes = callback == STARTED and self.suspended
        return super().call(OPENED if resumes else callback, then)


_M = Mutant
MUTANTS: Final = (
    _M(
        "started-and-post-started-swapped",
        "callback order",
        "the table is declared with Started and PostStarted in each other's place",
        StartedAndPostStartedSwapped,
    ),
    _M(
        "suspend-and-started-swapped",
        "callback order",
        "the table is declared with Suspend behind Started",
        SuspendAndStartedSwapped,
    ),
    _M(
        "resume-calls-opened",
        "callback order",
        "Start after a Pause goes through the path of a fresh open",
        ResumeCallsOpened,
    ),
)
