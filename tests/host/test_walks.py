"""Guests, and whoever serves their channels, that do things in any order: what never happens."""

import random

import pytest

from kmcl_adapters.host.channel import HostChannel, HostOffer, HostOpening, State
from kmcl_adapters.host.host import SOUND, HostParts
from kmcl_adapters.host.mutants import MUTANTS
from kmcl_adapters.host.scripted import ScriptedGuest

STEPS = 60
FAREWELLS = ("VERSION_RESPONSE", "UNLOAD_RESPONSE")


class Walk:
    """A guest that keeps to the protocol, and a server that takes its time."""

    def __init__(self, seed: int, parts: HostParts = SOUND) -> None:
        self.random = random.Random(seed)
        self.guest = ScriptedGuest(parts)
        self.host = self.guest.host
        self.openings: list[HostOpening] = []
        self.gone: list[HostOpening] = []
        self.answered: set[int] = set()
        self.channels = [self.host.offer(HostOffer(), self) for _ in range(2)]
        self.handle = 900
        self.shared: dict[int, HostChannel] = {}
        self.leaving: set[int] = set()
        self.answer = ""
        self.guest.connect()

    # Whoever serves the channels

    def asked(self, opening: HostOpening) -> None:
        assert opening not in self.openings
        self.openings.append(opening)

    def signalled(self, channel: HostChannel) -> None:
        raise AssertionError("nobody signals")

    def left(self, opening: HostOpening) -> None:
        assert opening in self.openings
        assert opening not in self.gone
        self.gone.append(opening)

    # One step

    def step(self) -> None:
        getattr(self, self.random.choice(ACTIONS))()
        self.look()

    def look(self) -> None:
        """What the guest reads is true, and nobody is served twice at a time."""
        in_use = self.host.in_use
        for message in self.guest.read_all():
            if message.name == "GPADL_TORNDOWN":
                self.leaving.remove(message.fields["gpadl"])
                assert message.fields["gpadl"] not in [opening.gpadl for opening in in_use]
            elif message.name in FAREWELLS:
                assert (message.name, in_use) == (self.answer, [])
                self.answer = ""
            elif message.name == "OPENCHANNEL_RESULT":
                assert message.fields["openid"] in self.answered
        assert len({id(opening.channel) for opening in in_use}) == len(in_use)

    def one(self) -> HostChannel:
        return self.random.choice(self.channels)

    def open(self) -> None:
        channel = self.one()
        if self.answer or channel.state != State.OFFERED:
            return
        self.handle += 1
        start = self.random.randrange(8, 400)
        self.shared[self.handle] = channel
        self.guest.share(channel.relid, self.handle, range(start, start + 4))
        self.guest.post(
            "OPENCHANNEL",
            child_relid=channel.relid,
            openid=self.handle,
            ring_buffer_gpadlhandle=self.handle,
            target_vp=0,
            downstream_ringbuffer_pageoffset=2,
            userdata=b"",
        )

    def close(self) -> None:
        channel = self.one()
        if channel.state in (State.OPEN, State.OPENING):
            self.guest.post("CLOSECHANNEL", child_relid=channel.relid)

    def tear_down(self) -> None:
        """What no channel is open with."""
        used = [channel.opening.gpadl for channel in self.channels if channel.opening]
        free = [handle for handle in self.shared if handle not in used]
        if free and not self.answer:
            handle = self.random.choice(free)
            self.leaving.add(handle)
            relid = self.shared.pop(handle).relid
            self.guest.post("GPADL_TEARDOWN", child_relid=relid, gpadl=handle)

    def end(self) -> None:
        """Unload, or begin anew without a word; also while the answer to that is due."""
        connected = self.host.control.agreed or self.answer
        self.answer = self.random.choice(FAREWELLS) if connected else FAREWELLS[0]
        self.shared.clear()
        self.leaving.clear()
        if self.answer == "UNLOAD_RESPONSE":
            self.guest.post("UNLOAD")
        else:
            self.guest.begin()

    def offer_again(self) -> None:
        channel = self.one()
        self.host.rescind(channel)
        if channel.state == State.RESCINDED:
            self.guest.post("RELID_RELEASED", child_relid=channel.relid)
        self.shared = {h: other for h, other in self.shared.items() if other is not channel}
        self.channels[self.channels.index(channel)] = self.host.offer(HostOffer(), self)

    def ask_for_offers(self) -> None:
        if not self.answer:
            self.guest.post("REQUESTOFFERS")

    def serve(self) -> None:
        """Answer anything that was ever asked; let go what the guest has left, again perhaps."""
        if self.openings:
            status = self.random.choice((0, 0, 0xC000009A))
            opening = self.random.choice(self.openings)
            self.answered.add(opening.id)
            self.host.answer_open(opening, status)
        if self.gone and self.random.random() < 0.7:
            self.host.let_go(self.random.choice(self.gone))

    def finish(self) -> None:
        """As soon as all is let go nobody waits any more."""
        for opening in [*self.gone]:
            self.host.let_go(opening)
        for opening in [*self.openings]:
            self.answered.add(opening.id)
            self.host.answer_open(opening, 0)
        self.look()
        control = self.host.control
        assert (self.answer, self.leaving) == ("", set())
        assert (control.tearing_down, control.reopening) == ([], [])
        assert [channel for channel in self.channels if channel.state == State.OPENING] == []
        assert {*self.host.in_use} == {c.opening for c in self.channels if c.opening}


ACTIONS = (
    *("open", "open", "open", "close", "close", "tear_down"),
    *("end", "ask_for_offers", "ask_for_offers", "offer_again", "serve", "serve", "serve"),
)


def walk_all(seeds: range, parts: HostParts = SOUND) -> None:
    for seed in seeds:
        made = Walk(seed, parts)
        for _ in range(STEPS):
            made.step()
        made.finish()


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_whatever_guest_and_server_do_no_memory_is_given_back_early(first: int) -> None:
    walk_all(range(first, first + 50))


def test_walks_come_to_everything_that_has_to_wait() -> None:
    """Openings of a channel whose earlier rings are in use, GPADLs and farewells."""
    waited = set()
    for seed in range(20):
        made = Walk(seed)
        for _ in range(STEPS):
            made.step()
            control = made.host.control
            for name in ("reopening", "tearing_down", "farewell"):
                waited |= {name} if getattr(control, name) else set()

    assert waited == {"reopening", "tearing_down", "farewell"}


@pytest.mark.parametrize(
    "mutant",
    [
        "tears-down-early",
        "reopens-at-once",
        "forgets-the-reopening",
        "answers-the-next",
        "unloads-at-once",
        "looks-at-channels-only",
        "agrees-at-once",
        "answers-every-farewell",
    ],
)
def test_walks_find_a_host_that_does_not_wait(mutant: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        walk_all(range(50), MUTANTS[mutant].parts)
