"""A guest that is lost is doubted once, and that does not end the examination of its failure."""

from typing import Any

from kmcl_adapters import Description, Doubted, Session
from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Campaign, Options
from kmcl_model.events import Event, Lost

OPTIONS = Options(adapter="some guest", profile="linux-vmbus", sequences=40)
MOST = 4
"""So often in a row the commands play a sequence again; then the campaign is given up."""


class Guest:
    """A guest that dies of a spurious signal, as the adapter of a real one shows it: it refuses to
    tell of a loss, but for one that follows another."""

    def __init__(self) -> None:
        self._guest = find("guest-mutant:spurious-signal-crashes")
        self.losses = self.doubts = 0
        self.is_suspect = False

    def describe(self) -> Description:
        told = self._guest.describe()
        return told._replace(capabilities=told.capabilities - {"schedulable"})

    def open(self) -> Session:
        if not self.is_suspect:
            self.losses = 0
        self.is_suspect = False
        return _Session(self, self._guest.open())

    def close(self) -> None:
        pass


class _Session:
    def __init__(self, adapter: Guest, session: Session) -> None:
        self._adapter = adapter
        self._session = session
        self.apply, self.runnable, self.close = session.apply, session.runnable, session.close

    def take(self) -> list[Event]:
        events: list[Any] = self._session.take()
        if events and isinstance(events[-1], Lost):
            self._adapter.is_suspect = True
            self._adapter.losses += 1
            if self._adapter.losses == 1:
                self._adapter.doubts += 1
                raise Doubted("lost, and perhaps the emulator's fault")
        return events


def test_a_panic_that_always_comes_back_is_confirmed_and_cut_down() -> None:
    adapter = Guest()
    campaign = Campaign(adapter, OPTIONS)
    running, interrupted = campaign.run(), 0
    while not campaign.found:
        try:
            next(running)
        except Doubted:  # the sequence is played again, as the commands do
            running, interrupted = campaign.run(), interrupted + 1
            assert interrupted <= MOST, "nothing comes of it"
    (found,) = campaign.found.values()

    assert found.confirmed == found.attempts
    assert found.outcome.failure is not None
    assert found.outcome.failure.event[0] == "lost"
    assert any("spurious" in str(s[-1]) for s in found.outcome.stimuli)
    assert adapter.doubts > MOST  # most of them while the case was cut down
