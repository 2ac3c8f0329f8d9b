"""The reference as a server's end on a real wire: its own logic, over rings in a guest's memory.

``kmcl_adapters.reference.library`` decides what is called, sent, held back and answered, as it
does in memory. What is here stands in the places of its surroundings: ``ring`` and ``link`` of its
rings, its link and its bus, over what ``kmcl_adapters.uio.bus`` gives an end; ``workers`` of its
scheduler's caller, with threads; ``library`` has the header's functions for a driver.
"""

from __future__ import annotations

from .library import WireLibrary
from .ring import PARTS

__all__ = ["PARTS", "WireLibrary"]
