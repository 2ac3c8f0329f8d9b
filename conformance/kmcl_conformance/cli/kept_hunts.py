"""Many hunts that can be interrupted: what each has found is kept, and the rest made later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kmcl_conformance.keeping import CampaignError, begun_with, read_state, write_state

from .hunts import Hunted, Target
from .output import Problem

__all__ = ["KeptHunts", "options_of"]

SCHEMA: Final = "kmcl-matrix/1"
FILE: Final = "matrix.json"


def options_of(folder: Path) -> dict[str, Any]:
    """The options that the hunts kept in a folder were begun with. Raises Problem."""
    options = _read(folder).get("options")
    if not isinstance(options, dict):
        raise Problem(f"{folder / FILE}: not a matrix; start again without --resume")
    return options


def _read(folder: Path) -> dict[str, Any]:
    try:
        return read_state(folder, FILE, SCHEMA)
    except CampaignError as error:
        raise Problem(str(error)) from None


class KeptHunts:
    """What was found in the first ``targets``, in their order; written into ``folder`` as it
    comes, where there is one, with the names of the targets that are missing. ``unwritten`` says
    why that failed the last time, if it did."""

    def __init__(
        self, folder: Path | None, targets: Sequence[Target], options: Mapping[str, Any]
    ) -> None:
        self.folder = folder
        self.targets = targets
        self.options = dict(options)
        self.done: list[Hunted] = []
        self.unwritten = ""

    @property
    def missing(self) -> Sequence[Target]:
        """In which there was no hunt yet."""
        return self.targets[len(self.done) :]

    def resume(self) -> None:
        """Go on from what the folder has. Raises Problem where it was begun with other options."""
        assert self.folder is not None
        begun = options_of(self.folder)
        try:
            begun_with(self.folder, begun, self.options)
            self.done = [_hunted(*row) for row in _read(self.folder)["done"]]
        except CampaignError as error:
            raise Problem(str(error)) from None
        except (KeyError, TypeError):
            raise Problem(
                f"{self.folder / FILE}: not a matrix; start again without --resume"
            ) from None

    def hunt(
        self,
        hunt_all: Callable[[Sequence[Target]], Iterable[Hunted]],
        on_found: Callable[[list[Hunted]], object],
    ) -> None:
        """Hunt in what is missing; ``on_found`` hears of all that is done after every hunt. Raises
        Problem where nothing can be written from the start."""
        self._keep()
        if self.unwritten:
            raise Problem(self.unwritten)
        on_found(self.done)
        if not self.missing:
            return
        for hunted in hunt_all(self.missing):
            self.done.append(hunted)
            self._keep()
            on_found(self.done)

    def _keep(self) -> None:
        if self.folder is None:
            return
        state = {
            "schema": SCHEMA,
            "options": self.options,
            "done": self.done,
            "missing": [f"{target.adapter}, seed {target.seed}" for target in self.missing],
        }
        try:
            write_state(self.folder, state, FILE)
        except CampaignError as error:
            self.unwritten = str(error)
        else:
            self.unwritten = ""


def _hunted(
    sequences: int, steps: int, why: str, requirements: list[str], readings: list[str]
) -> Hunted:
    return Hunted(sequences, steps, why, tuple(requirements), tuple(readings))
