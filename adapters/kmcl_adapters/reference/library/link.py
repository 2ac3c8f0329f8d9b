"""The bus where offer and opener meet, and the link of one open period with its two rings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ring import PAGE, Frame, Ring, cost

if TYPE_CHECKING:
    from .channel import Channel
    from .parts import Parts

__all__ = ["Bus", "Link"]


class Link:
    """One period from the meeting of offer and opener to the close.

    ``open``: both ends accepted. ``down``: one end has left; whatever is still in the rings is
    lost. The ends leave one by one, each at its own pace.
    """

    __slots__ = ("client", "down", "open", "server", "to_client", "to_server")

    def __init__(self, server: Channel, client: Channel) -> None:
        self.server = server
        self.client = client
        self.open = False
        self.down = False
        self.to_client: Ring
        self.to_server: Ring

    def lay(self, ring: type[Ring]) -> None:
        """Make the rings; a maximal packet always fits an empty one (A21)."""
        client = self.client
        least = cost(max(self.server.maximum_packet_size, client.maximum_packet_size))
        self.to_client = ring(max(client.incoming_pages * PAGE, least))
        self.to_server = ring(max(client.outgoing_pages * PAGE, least))

    def peer(self, channel: Channel) -> Channel:
        """The other end."""
        return self.client if channel is self.server else self.server

    def turn(self, channel: Channel) -> bool:
        """Whether it is this end's turn to run Opened (A43)."""
        order = channel.readings.opened_order
        first = self.server if order == "server-first" else self.client
        return order == "together" or channel is first or first.opened

    def accepted(self) -> None:
        """One end's Opened succeeded; once both did, the channel is open."""
        server, client = self.server, self.client
        if self.down:
            return
        if server.opened and client.opened:
            self.open = True
            server.became_open()
            client.became_open()
        else:
            server.lifecycle.wake()
            client.lifecycle.wake()

    def close(self) -> None:
        """One end leaves; the other learns of it by itself."""
        self.down = True
        self.open = False
        self.server.lifecycle.wake()
        self.client.lifecycle.wake()

    def vacate(self, channel: Channel) -> None:
        """One end touches its rings no more; in memory nobody waits for that."""

    # What one end does that the other one is to notice

    def refuse(self, status: int) -> None:
        """The server does not accept; it leaves next."""
        self.client.lifecycle.refused(status)

    def room(self, reader: Channel) -> None:
        """One end has taken something off its ring: whoever waits for room may write."""
        writer = self.peer(reader)
        if writer.receiver.gate is None:
            writer.sender.room()
        else:
            writer.receiver.gate.come(writer.sender.room)

    def answer_waits(self, writer: Channel) -> None:
        """A completion packet of one end has found no room."""
        self.peer(writer).lifecycle.wake()

    def answers_waiting(self, asker: Channel) -> int:
        """How many completion packets for one end are known to wait for room."""
        return len(self.peer(asker).sender.answers)

    def put(self, writer: Channel, frame: Frame) -> None:
        """Write into the ring of one end and signal the other."""
        if writer is self.client:
            self.to_server.put(frame)
            receiver = self.server.receiver
        else:
            self.to_client.put(frame)
            receiver = self.client.receiver
        if receiver.gate is None:
            receiver.signal()
        else:
            receiver.gate.come(receiver.signal)


class Bus:
    """What both ends share before they meet."""

    __slots__ = ("client", "parts", "server")

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.server: Channel | None = None
        self.client: Channel | None = None

    def attach(self, channel: Channel) -> None:
        """A channel was allocated."""
        if channel.is_server:
            self.server = channel
        else:
            self.client = channel

    def detach(self, channel: Channel) -> None:
        """A channel was cleaned up or has died."""
        if self.server is channel:
            self.server = None
        elif self.client is channel:
            self.client = None

    def match(self) -> None:
        """Start the opening if an offer and an opener are there and belong together."""
        server, client = self.server, self.client
        if (
            server is not None
            and client is not None
            and server.offers()
            and client.awaits()
            and self.same_target(server, client)
        ):
            link = self.parts.link(server, client)
            link.lay(self.parts.ring)
            server.connect(link, link.to_server, link.to_client)
            client.connect(link, link.to_client, link.to_server)

    def same_target(self, server: Channel, client: Channel) -> bool:
        """Whether the client looks for what the server offers (F354, F357).

        A client without target takes the offer of its parent device (A24).
        """
        wanted, offered = client.target, server.target
        if wanted is None:
            return True
        return (
            offered is not None
            and wanted[0] == offered[0]
            and (wanted[1] is None or wanted[1] == offered[1])
        )
