"""Cooperative scheduling: what the library does by itself, one small step at a time."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Scheduler", "Task", "Wait"]


class Task:
    """Work that can take a step when something woke it.

    ``queued`` keeps a task from standing in the line twice. A task whose end of the channel has
    died stays ``queued`` for ever, which is what keeps it out of the line.
    """

    __slots__ = ("queued", "scheduler")

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.queued = False

    def wake(self) -> None:
        """Stand in line for one step, unless already there."""
        if not self.queued:
            self.queued = True
            self.scheduler.ready.append(self)

    def step(self) -> None:
        """Go on to the next visible event or wait."""
        raise NotImplementedError


class Wait(Task):
    """A call that waits for the channel; ``then`` runs once it may return, with ``status`` where it
    has one."""

    __slots__ = ("status", "then")

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self.status: int | None = None
        self.then: Callable[[], None] | None = None

    def step(self) -> None:
        """Let the call return."""
        if self.then is not None:
            self.then()


class Scheduler:
    """The line of tasks that could take a step, in the order in which they were woken."""

    __slots__ = ("ready",)

    def __init__(self) -> None:
        self.ready: list[Task] = []

    def run(self, choice: int) -> None:
        """Let task number ``choice`` modulo the length of the line take its step."""
        ready = self.ready
        if ready:
            task = ready.pop(choice % len(ready))
            task.queued = False
            task.step()

    def run_now(self, task: Task) -> bool:
        """Let this task take its step out of turn; false if it was not in line."""
        if task not in self.ready:
            return False
        self.ready.remove(task)
        task.queued = False
        task.step()
        return True

    def bury(self, tasks: tuple[Task, ...]) -> None:
        """Tasks of a dead end leave the line and never come back."""
        for task in tasks:
            task.queued = True
        self.ready[:] = [task for task in self.ready if task not in tasks]
