"""A VMBus host under the test's control, and the KMCL server end on top of it.

The host knows a virtual machine only through ``machine.Machine``: guest memory, an interrupt to
raise, and what the guest posts and signals. So it is tried without one. From the wire upwards:
``messages`` (layouts), ``slot`` (how a message gets to the guest), ``gpadl`` and ``memory`` (what
the guest shares), ``channel`` and ``host`` (a host that behaves), ``rules`` and ``underway`` (one
that does not, as the test says), ``trace`` (all that passed), ``bus`` and ``end`` (the server end).

Nothing in here needs more than Python's standard library.
"""

from __future__ import annotations

__all__: list[str] = []
