"""The harness around the library: driver code of both ends, names for handles, and events.

Rules of this harness, besides those in ``kmcl_model.api`` and ``kmcl_model.events``:

* A stimulus that makes no sense here is skipped and leaves no event, so that a case stays
  runnable while a shrinker takes steps out of it. That is a call of an unknown function, or with
  the wrong number of arguments; by somebody who has a call in progress; on a channel that is not
  allocated, or is allocated already; with the name of a packet or context that is not alive, or
  a new name that is; a free, a second send or a new routine of a packet in flight; a free of a
  packet built in memory of the driver; a cleanup of a channel that is not disabled; ``sizeof``
  before the size was asked for; anything on an end that has crashed; a broken packet where the
  channel is not open.
* A packet with the default completion routine frees itself: its name is dead once the send was
  accepted. The name of a packet built with VmbPacketInitialize lives until cleanup.
* A completion context has the lowest free name of ``c0``, ``c1`` … at its end; the name is free
  again when VmbChannelPacketComplete or VmbChannelPacketFail is called with it.
"""

__all__: list[str] = []
