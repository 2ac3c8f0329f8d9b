"""A lab whose logs nobody has asked for: they stay only where they have something to tell."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from .images import Images
from .lab import Lab
from .problem import GuestLost

__all__ = ["PassingLab"]


class PassingLab(Lab):
    """As ``Lab``, with a folder for its logs that is made at the start and goes with the lab; it
    stays where a guest was lost, and standard error tells in one line which it is. ``more``: what
    a ``Lab`` takes besides."""

    def __init__(self, images: Images, **more: Any) -> None:
        super().__init__(images, Path(), **more)
        self._out = Path(tempfile.mkdtemp(prefix="kmcl-lab-logs-"))
        self._is_left = False

    def start(self) -> None:
        """See ``Lab``. An error that tells of a lost guest tells of the folder, too."""
        try:
            super().start()
        except GuestLost:
            raise
        except BaseException:
            self._leave(bool(self.retries))
            raise

    def close(self) -> None:
        """See ``Lab``."""
        boot = self._boot
        has_lost = boot is not None and boot.look() is not None
        super().close()
        self._leave(has_lost or bool(self.retries))

    def _leave(self, has_lost: bool) -> None:
        if not self._is_left and has_lost:
            print(f"lab: a guest was lost; its logs are in {self._out}", file=sys.stderr)
        elif not self._is_left:
            shutil.rmtree(self._out, ignore_errors=True)
        self._is_left = True
