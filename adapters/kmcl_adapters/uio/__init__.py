"""A KMCL client endpoint over ``/dev/uioN``, and the same endpoint over plain shared memory.

Nothing in here needs more than Python's standard library, so that it runs inside a minimal guest.
From the wire upwards: ``descriptor`` (packets), ``ring`` (one direction of a channel), ``receive``
(the interrupt mask), ``bus`` (what an end needs of the world), ``sending``, ``receiving``,
``lifecycle`` and ``channel`` (one end), ``library`` (the header's functions).
"""

from __future__ import annotations

from kmcl_adapters.interface import AdapterError

from .serving import UioAdapter

__all__ = ["create"]


def create(argument: str) -> UioAdapter:
    """``uio:DEVICE``: ``/dev/uioN``, an instance GUID, ``class:GUID`` or the name of a class.

    Raises AdapterError where there is no such device or it cannot be used.
    """
    if not argument:
        raise AdapterError("uio: name a device: uio:/dev/uio0, uio:GUID or uio:class:GUID")
    return UioAdapter(argument)
