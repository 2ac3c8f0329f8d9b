"""A command in the guest with our own streams, and how a problem of the lab is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kmcl_lab.bridge import bridge
from kmcl_lab.carry import carry
from kmcl_lab.door import Door
from kmcl_lab.lab import Lab
from kmcl_lab.problem import LOST_CODE, LabProblem, WrongUsage

from .output import Code, Problem, complain

__all__ = ["as_problem", "inside"]


def inside(words: list[str], lab: Lab, *, terminal: bool, carried: bool) -> int:
    """A command in a guest of its own, with our streams; its exit code, ``LOST_CODE`` where
    the guest was lost. ``carried``: first put this kmcl into the guest. Raises Problem."""
    with as_problem(), lab as running:
        running.bind()
        if carried:
            carry(running.guest)
        door = Door(lambda: running.guest)
        try:
            return bridge(str(door.path), words, terminal=terminal)
        except OSError as error:
            complain(f"the lab is gone: {error}")
            return LOST_CODE
        finally:
            door.close()


@contextmanager
def as_problem() -> Iterator[None]:
    """What is wrong with the lab is told in one line, and is no verdict; or it was used wrongly."""
    try:
        yield
    except WrongUsage as problem:
        raise Problem(str(problem)) from None
    except LabProblem as problem:
        raise Problem(str(problem), Code.UNJUDGED) from None
