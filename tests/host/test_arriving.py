"""What the reference looks at ahead, and gives back later; the guest's ring is written by the
test, and nothing has a thread."""

from collections.abc import Iterator

import pytest

from kmcl_adapters.host.bus import HostBus, HostLink
from kmcl_adapters.host.channel import HostOffer, rings_of
from kmcl_adapters.host.scripted import ScriptedGuest
from kmcl_adapters.uio.descriptor import Kind, encode
from kmcl_adapters.uio.ring import Outgoing
from kmcl_adapters.wire import PARTS
from kmcl_adapters.wire.ring import Arriving

FULL = 383
"""So many packets of 32 bytes fill a ring of three pages: it is never quite full."""


class Careless(Outgoing):
    """A writer that does not ask how far the reader is."""

    def fits(self, size: int) -> bool:
        return True


class Pair:
    """An end of the reference that reads, and both kinds of writers."""

    def __init__(self) -> None:
        guest = ScriptedGuest()
        self.bus = HostBus(guest.host, HostOffer(), 4096, PARTS)
        self.bus.make_offer(None, 64)
        (offer,) = guest.connect()
        guest.open(offer["child_relid"])
        self.bus.attend()
        link = self.bus.asked()
        assert isinstance(link, HostLink)
        rings = rings_of(guest.machine.memory, guest.host.gpadls.complete[900], 4)
        self.careful = Outgoing(*rings.from_guest)
        self.careless = Careless(*rings.from_guest)
        self.arriving = Arriving(link)

    def write(self, writer: Outgoing, transaction: int) -> bool:
        done = writer.put(encode(Kind.IN_BAND, transaction, b"12345678"))
        writer.publish()
        return done


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.bus.close()


def test_a_ring_is_filled_taken_and_filled_again(pair: Pair) -> None:
    seen = []
    for turn in range(3):
        count = 0
        while pair.write(pair.careful, 1000 * turn + count):
            count += 1
            assert pair.arriving.packets() == count
        assert count == FULL
        while (frame := pair.arriving.take(True, True)) is not None:
            seen.append(frame.transaction)

    assert seen == [1000 * turn + n for turn in range(3) for n in range(FULL)]
    assert pair.arriving.stopped == ""


@pytest.mark.parametrize("at_once", [1, 2, FULL])
def test_what_is_written_over_what_waits_is_not_believed(pair: Pair, at_once: int) -> None:
    arriving = pair.arriving
    for count in range(FULL):
        pair.write(pair.careless, count)
        assert arriving.packets() == count + 1
    for count in range(at_once):
        pair.write(pair.careless, FULL + count)
    assert arriving.packets() == FULL + 1  # the last stands for what makes no sense

    assert arriving.stopped.endswith("runs over bytes that were not given back")
    pair.write(pair.careless, 0)
    assert arriving.packets() == FULL + 1
