"""A host that writes garbage: ``python -m kmcl_adapters.uio.fuzz --count N --seed S``.

Each round lays out a ring, lets a sound writer fill some of it, corrupts header words, packet
bytes, or both, at once or while packets are being read, and then uses the ring as the endpoint
does: reading until nothing comes, giving room back, writing, waiting for room, falling asleep; or
a whole channel does (``fuzzchannel``). Allowed are packets, nothing, and RingError. Every access
goes through a view that notices one outside of the ring, and every loop is bounded by the size of
the ring.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import sys
import time
from collections import Counter
from typing import Any, Final, NamedTuple

from .descriptor import (
    FROM_GUEST,
    FROM_HOST,
    GpaRange,
    Kind,
    RingError,
    TransferRange,
    encode,
    gpa_direct,
    transfer_pages,
)
from .fuzzchannel import Endless, converse
from .parts import SOUND, Parts
from .receive import Doze
from .ring import HEADER_BYTES, READ_INDEX, WRITE_INDEX, Incoming, Outgoing

__all__ = ["KINDS", "CheckedData", "CheckedWords", "Findings", "OutOfBounds", "fuzz", "main"]

KINDS: Final = ("crashes", "hangs", "out of bounds")
"""What a defect can be: anything raised that may not be, or a broken promise; packets without end;
an access outside of the ring."""

CAPACITIES: Final = (64, 256, 4096, 12288)
SMALLEST_PACKET: Final = 24
INTERESTING: Final = (0, 1, 2, 3, 7, 8, 0xFF, 0x7FFF, 0x8000, 0xFFF8, 0xFFFF, 1 << 31, 0xFFFFFFFF)


class OutOfBounds(Exception):
    """The endpoint has reached outside of the ring: a defect, whatever the host did."""


class CheckedData:
    """The bytes of a ring; any access must name a range inside. ``change``: a place whose byte
    changes after every read that includes it, as a host might do it."""

    def __init__(self, data: bytearray) -> None:
        self.data = data
        self.change: int | None = None
        self.reads = 0

    def __len__(self) -> int:
        return len(self.data)

    def _range(self, place: Any) -> tuple[int, int]:
        if not isinstance(place, slice) or place.step is not None:
            raise OutOfBounds(f"not a range: {place!r}")
        start = 0 if place.start is None else place.start
        stop = len(self.data) if place.stop is None else place.stop
        if not 0 <= start <= stop <= len(self.data):
            raise OutOfBounds(f"{start} to {stop} in {len(self.data)} bytes")
        return start, stop

    def __getitem__(self, place: Any) -> bytes:
        start, stop = self._range(place)
        found = bytes(self.data[start:stop])
        self.reads += 1
        if self.change is not None and start <= self.change < stop:
            self.data[self.change] ^= 0xFF
        return found

    def __setitem__(self, place: Any, value: bytes) -> None:
        start, stop = self._range(place)
        if stop - start != len(value):
            raise OutOfBounds(f"{len(value)} bytes into {start} to {stop}")
        self.data[start:stop] = value


class CheckedWords:
    """The words of a header page."""

    def __init__(self) -> None:
        self.words = [0] * (HEADER_BYTES // 4)

    def __getitem__(self, place: int) -> int:
        if not 0 <= place < len(self.words):
            raise OutOfBounds(f"word {place} of a header")
        return self.words[place]

    def __setitem__(self, place: int, value: int) -> None:
        if not 0 <= place < len(self.words):
            raise OutOfBounds(f"word {place} of a header")
        self.words[place] = value & 0xFFFFFFFF


class Findings(NamedTuple):
    """What came of it: packets and headers corrupted, outcomes by name, the digest of all that was
    read (the same for the same seed), defects, each with the round that shows it, and how many of
    each of ``KINDS``."""

    packets: int
    headers: int
    outcomes: Counter[str]
    digest: int
    defects: tuple[str, ...]
    kinds: Counter[str]

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "packets": self.packets,
            "headers": self.headers,
            "outcomes": dict(sorted(self.outcomes.items())),
            "kinds": {kind: self.kinds[kind] for kind in KINDS},
            "defects": list(self.defects),
            "digest": f"{self.digest:016x}",
        }


def _kind_of(error: Exception) -> str:
    if isinstance(error, Endless):
        return "hangs"
    return "out of bounds" if isinstance(error, OutOfBounds) else "crashes"


class _Round:
    """One ring, its sound writer, and the hand that corrupts."""

    def __init__(self, random: random.Random, parts: Parts) -> None:
        self.random = random
        self.parts = parts
        self.header = CheckedWords()
        self.data = CheckedData(bytearray(random.choice(CAPACITIES)))
        self.capacity = len(self.data)
        start = random.randrange(0, self.capacity, 8)
        self.header[WRITE_INDEX] = self.header[READ_INDEX] = start
        self.writer = Outgoing(self.header, self.data)
        self.places: list[int] = []
        self.digest = 0
        self.packets = self.headers = 0

    def packet(self) -> bytes:
        """A sound packet of any kind."""
        random = self.random
        payload = random.randbytes(random.choice((0, 1, 8, 13, 40, 200, 1000)))
        ranges = random.randrange(1, 4)
        match random.randrange(5):
            case 0:
                transfers = tuple(TransferRange(8 * i, 64 * i) for i in range(ranges))
                more = transfer_pages(random.randrange(1 << 16), transfers)
                return encode(Kind.TRANSFER_PAGES, 1, payload, 0, more)
            case 1:
                gpas = tuple(GpaRange(5000, 100, (7, 8)) for _ in range(ranges))
                return encode(Kind.GPA_DIRECT, 2, payload, 1, gpa_direct(gpas))
            case 2:
                return encode(Kind.COMPLETION, random.randrange(1 << 64), payload)
            case _:
                return encode(Kind.IN_BAND, random.randrange(1 << 64), payload, 1)

    def fill(self) -> None:
        """Write some packets."""
        for _ in range(self.random.randrange(1, 6)):
            place = (self.header[WRITE_INDEX]) % self.capacity
            if self.writer.put(self.packet()):
                self.places.append(place)
                self.writer.publish()

    def corrupt(self) -> None:
        """Change bytes of packets, words of the header, or both."""
        random = self.random
        if random.random() < 0.85:
            for _ in range(random.choice((1, 1, 2, 8))):
                self.corrupt_packet()
        if random.random() < 0.4:
            self.corrupt_header()

    def corrupt_packet(self) -> None:
        random = self.random
        self.packets += 1
        start = random.choice(self.places) if self.places else 0
        if random.random() < 0.8:  # a field of the descriptor, or of what follows it
            field = random.choice((0, 2, 4, 6, 8, 16, 18, 20, 24, 28))
            wide = field >= 16 and random.random() < 0.5
            value = random.choice((*INTERESTING, random.randrange(1 << 16)))
            new = struct.pack("<I" if wide else "<H", value & (0xFFFFFFFF if wide else 0xFFFF))
        else:
            field, new = random.randrange(0, 64), random.randbytes(random.randrange(1, 16))
        for i, byte in enumerate(new):
            self.data.data[(start + field + i) % self.capacity] = byte

    def corrupt_header(self) -> None:
        random = self.random
        self.headers += 1
        for _ in range(random.randrange(1, 3)):
            near = random.randrange(0, self.capacity + 64)
            value = random.choice((*INTERESTING, near, near & ~7, self.capacity))
            self.header[random.choice((0, 0, 1, 1, 2, 3, 16))] = value

    def note(self, *values: int | bytes) -> None:
        """Let what was read flow into the digest."""
        for value in values:
            number = (
                int.from_bytes(value[:16], "little")
                if isinstance(value, bytes)
                else int(str(value))
            )
            self.digest = (self.digest * 1_000_003 + number + 1) & 0xFFFFFFFFFFFFFFFF

    def read(self) -> str:
        """Empty the ring as the endpoint does."""
        random = self.random
        accepts = random.choice((FROM_HOST, FROM_GUEST))
        ring: Incoming = self.parts.incoming(self.header, self.data, accepts)
        doze: Doze = self.parts.doze(ring)
        late = random.random() < 0.2
        if random.random() < 0.1:
            self.data.change = random.randrange(self.capacity)
        if not late:
            self.corrupt()
        steps = 0
        while True:
            steps += 1
            if steps > self.capacity // SMALLEST_PACKET + 2:
                raise Endless(f"{steps} packets in {self.capacity} bytes")
            packet = ring.peek()
            if packet is None:
                if not late:
                    break
                late = False
                self.corrupt()
                steps = 0
                continue
            if len(packet.payload) > self.capacity:
                raise OutOfBounds(f"a payload of {len(packet.payload)} bytes")
            self.note(packet.kind, packet.transaction, packet.payload)
            ring.take()
            self.note(int(ring.release()))
        self.note(int(doze.fall_asleep()))
        doze.wake()
        return "read"

    def write(self) -> str:
        """Write into a ring whose reader lies."""
        ring: Outgoing = self.parts.outgoing(self.header, self.data)
        self.corrupt_header()
        for _ in range(4):
            packet = self.packet()
            if ring.put(packet):
                self.note(int(ring.publish()))
            elif ring.wait_for(len(packet) + 8):
                ring.stop_waiting()
        return "written"

    def converse(self) -> str:
        """Let a whole channel read and write."""
        back = _Round(self.random, self.parts)
        rings = (back.header, back.data), (self.header, self.data)
        self.note(*converse(self.random, self.parts, self, back.corrupt_header, rings))
        self.headers += back.headers
        return "conversed"


def fuzz(count: int, seed: int = 1, parts: Parts = SOUND) -> Findings:
    """Rounds until ``count`` headers and packets were corrupted. Never raises."""
    outcomes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    defects: list[str] = []
    packets = headers = number = digest = 0
    while packets + headers < count and len(defects) < 10:
        number += 1
        round = _Round(random.Random(f"{seed} {number}"), parts)
        try:
            round.fill()
            draw = round.random.random()
            act = round.converse if draw < 0.1 else round.write if draw < 0.3 else round.read
            outcome = act()
        except RingError:
            outcome = "refused"
        except Exception as error:
            outcome = "defect"
            kinds[_kind_of(error)] += 1
            defects.append(f"seed {seed}, round {number}: {type(error).__name__}: {error}")
        outcomes[outcome] += 1
        packets += round.packets
        headers += round.headers
        digest = (digest * 31 + round.digest + len(outcome)) & 0xFFFFFFFFFFFFFFFF
    return Findings(packets, headers, outcomes, digest, tuple(defects), kinds)


def main(arguments: list[str]) -> int:
    """Report what ``fuzz`` finds; 1 where there is a defect."""
    parser = argparse.ArgumentParser(prog="python -m kmcl_adapters.uio.fuzz")
    parser.add_argument("--count", type=int, default=1_000_000, help="headers and packets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    chosen = parser.parse_args(arguments)
    began = time.perf_counter()
    found = fuzz(chosen.count, chosen.seed)
    if chosen.json:
        print(json.dumps(found.record()))
        return 1 if found.defects else 0
    print(
        f"{found.packets:,} corrupted packets and {found.headers:,} corrupted headers in "
        f"{found.outcomes.total():,} rounds, {time.perf_counter() - began:.0f} s; "
        + ", ".join(f"{name} {number:,}" for name, number in sorted(found.outcomes.items()))
        + f"; digest {found.digest:016x}"
    )
    for defect in found.defects:
        print(defect)
    return 1 if found.defects else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
