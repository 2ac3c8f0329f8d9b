"""The driver of both ends, for implementations whose callbacks may come from any thread.

``ThreadedSession`` makes calls from driver threads of its own, so that a call that blocks blocks
nobody else, answers callbacks with the armed reactions, and records both where
``kmcl_model.events`` says.

An *implementation* here is any object whose methods carry the header's names, with these
conventions, the same for Python implementations and for the binding of a native library:

* A handle is any hashable object. Statuses are integers, signed or unsigned. Buffers are
  passed as ``bytes``; what is received may be anything that ``bytes()`` reads, and is read again
  when the packet is completed.
* Outputs are returned: ``VmbChannelAllocate(is_server) -> (status, channel)`` and
  ``VmbPacketInitialize(channel, memory, byte_count) -> (status, packet)``, where ``memory`` is a
  bytearray of the harness that lives as long as the session.
* ``VmbChannelInitSetStateChangeCallbacks(channel, version, size, handlers)`` takes a mapping
  from the callbacks' names to functions; ``size`` is in bytes as on a 64-bit target.
* ``VmbPacketSend(packet, buffer, flags)`` has no external data yet.
* Handlers are called as the header says, a buffer and its length being one argument.

A method that is missing is a function not offered: calls of it are skipped.

What makes no sense is skipped and leaves no event, by the same rules as in the harness of the
reference, so that a case runs the same everywhere.
"""

from __future__ import annotations

from .session import ThreadedSession

__all__ = ["ThreadedSession"]
