"""Defects of the lifecycle: offers, opening, closing and what is left afterwards."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.reference.library.channel import Channel
from kmcl_adapters.reference.library.lifecycle import Activity, Lifecycle, Phase
from kmcl_adapters.reference.library.link import Bus, Link
from kmcl_adapters.reference.library.ring import Ring
from kmcl_adapters.reference.library.scheduler import Wait
from kmcl_model.api import CLOSED
from kmcl_model.status import STATUS_SUCCESS

from .mutant import Mutant

__all__ = ["MUTANTS"]


class OfferGoneAfterClientClose(Channel):
    gone = False

    def reset_at_close(self) -> None:
        super().reset_at_close()
        self.gone = self.is_server

    def enable(self) -> int:
        self.gone = False
        return super().enable()

    def offers(self) -> bool:
        return super().offers() and not self.gone


class ClientReopensByItself(Channel):
    def become_disabled(self) -> None:
        rescinded = self.phase == Phase.CLOSING and not self.disabling
        super().become_disabled()
        if rescinded and not self.is_server:
            self.phase = Phase.ENABLED
            self.bus.match()


class EnableRefusedAfterRescind(Channel):
    rescinded = False

    def become_disabled(self) -> None:
        self.rescinded = self.phase == Phase.CLOSING and not self.disabling
        super().become_disabled()

    def enable(self) -> int:
        return self.readings.enable_again_status if self.rescinded else super().enable()

    def disable(self) -> Wait | None:
        self.rescinded = False
        return super().disable()


class OfferSurvivesDisable(Channel):
    ghost = False

    def become_disabled(self) -> None:
        self.ghost = self.is_server and self.disabling
        super().become_disabled()

    def enable(self) -> int:
        self.ghost = False
        return super().enable()

    def offers(self) -> bool:
        return super().offers() or (self.ghost and self.phase == Phase.DISABLED)


class SecondOpenWithoutStarted(Lifecycle):
    opens = 0

    def opened(self, status: int) -> None:
        self.opens += 1
        super().opened(status)

    def may_start(self) -> bool:
        if self.opens > 1 and super().may_start():
            self.channel.activity = Activity.STARTING
            self.started(STATUS_SUCCESS)
            return False
        return super().may_start()


class OpenedStatusIgnored(Lifecycle):
    def accepts(self, status: int) -> bool:
        return True


class ClientOpensBeforeServerAccepts(Link):
    def turn(self, channel: Channel) -> bool:
        return True

    def accepted(self) -> None:
        for end in (self.server, self.client):
            if end.opened and end.phase == Phase.OPENING and not self.down:
                self.open = True
                end.became_open()


class EnableReopensOpenChannel(Channel):
    def enable(self) -> int:
        status = super().enable()
        if self.phase == Phase.OPEN and status != STATUS_SUCCESS:
            self.phase = Phase.OPENING
            self.opened = False
            self.lifecycle.wake()
        return status


class DisableBeforeOpenCallsClosed(Channel):
    def disable(self) -> Wait | None:
        if self.phase == Phase.ENABLED:
            self.lifecycle.call(CLOSED, self.lifecycle.nothing)
        return super().disable()


class DisableLeavesOfferStanding(Channel):
    def disable(self) -> Wait | None:
        if self.phase == Phase.ENABLED and self.is_server:
            return None
        return super().disable()


class CrashNotNoticed(Channel):
    def crash(self) -> None:
        link, self.link = self.link, None
        super().crash()
        self.link = link


class RescindNotNoticed(Channel):
    """The rescind message gets lost."""

    def leave(self, link: Link) -> None:
        if self.is_server and link.open:
            self.lifecycle.wake()
        else:
            super().leave(link)


class CloseDuringOpenedSwallowed(Lifecycle):
    def opened(self, status: int) -> None:
        link = self.channel.link
        if link is not None and link.down:
            self.channel.back_out()
        else:
            super().opened(status)


class CloseDuringOpenedOverlaps(Lifecycle):
    def opened(self, status: int) -> None:
        if self.channel.link is not None:
            super().opened(status)

    def step(self) -> None:
        channel = self.channel
        link = channel.link
        if self.calling and channel.phase == Phase.OPENING and link is not None and link.down:
            channel.phase = Phase.CLOSING
            self.call(CLOSED, self.closed)
        super().step()


class LateOfferOverlooked(Channel):
    def enable(self) -> int:
        client = self.bus.client
        if self.is_server and client is not None and client.phase == Phase.ENABLED:
            client.refused = True
        return super().enable()


class OldRingReused(Bus):
    """The rings of the period before are laid again with what was left in them."""

    rings: tuple[Ring, Ring] | None = None

    def match(self) -> None:
        before = self.server.link if self.server is not None else None
        super().match()
        link = self.server.link if self.server is not None else None
        if link is None or link is before:
            return
        if self.rings is not None:
            link.to_client, link.to_server = self.rings
            link.server.incoming, link.server.outgoing = link.to_server, link.to_client
            link.client.incoming, link.client.outgoing = link.to_client, link.to_server
        self.rings = (link.to_client, link.to_server)


class SecondEnableRefused(Channel):
    spent = False

    def become_disabled(self) -> None:
        self.spent = self.spent or self.disabling
        super().become_disabled()

    def enable(self) -> int:
        return self.readings.enable_again_status if self.spent else super().enable()


class HandlersLostAtClientClose(Lifecycle):
    def offer_again(self) -> None:
        self.channel.state_handlers = {}
        super().offer_again()


_M = Mutant
MUTANTS: Final = (
    _M(
        "offer-gone-after-client-close",
        "lifecycle",
        "the offer is withdrawn when the client closes, so that a reloaded driver finds none",
        OfferGoneAfterClientClose,
    ),
    _M(
        "client-reopens-by-itself",
        "lifecycle",
        "a rescinded client takes the next offer without its driver having asked for it",
        ClientReopensByItself,
    ),
    _M(
        "enable-refused-after-rescind",
        "lifecycle",
        "only Disable resets the state, so a client cannot come back after a rescind",
        EnableRefusedAfterRescind,
    ),
    _M(
        "offer-survives-disable",
        "lifecycle",
        "Disable of an open server forgets to withdraw the offer",
        OfferSurvivesDisable,
    ),
    _M(
        "second-open-without-started",
        "lifecycle",
        "a once-only flag keeps Started from being called when the channel is opened again",
        SecondOpenWithoutStarted,
    ),
    _M(
        "opened-status-ignored",
        "lifecycle",
        "the status that Opened returns is not looked at",
        OpenedStatusIgnored,
    ),
    _M(
        "client-opens-before-server-accepts",
        "lifecycle",
        "the open message is taken for its answer, so the client runs though the server rejects",
        ClientOpensBeforeServerAccepts,
    ),
    _M(
        "enable-reopens-open-channel",
        "lifecycle",
        "Enable reports the wrong state only after it has restarted the opening",
        EnableReopensOpenChannel,
    ),
    _M(
        "disable-before-open-calls-closed",
        "lifecycle",
        "the teardown path calls Closed without asking whether the channel was open",
        DisableBeforeOpenCallsClosed,
    ),
    _M(
        "disable-leaves-offer-standing",
        "lifecycle",
        "Disable has nothing to close before the open and returns early, offer and all",
        DisableLeavesOfferStanding,
    ),
    _M(
        "crash-not-noticed",
        "lifecycle",
        "the host relies on a close message that a crashed guest never sends",
        CrashNotNoticed,
    ),
    _M(
        "rescind-not-noticed",
        "lifecycle",
        "the guest ignores a rescind of an open channel",
        RescindNotNoticed,
    ),
    _M(
        "close-during-opened-swallowed",
        "lifecycle",
        "a close that arrives while Opened runs cleans up without calling Closed",
        CloseDuringOpenedSwallowed,
    ),
    _M(
        "close-during-opened-overlaps",
        "lifecycle",
        "the close message is handled on another thread than the running Opened",
        CloseDuringOpenedOverlaps,
    ),
    _M(
        "late-offer-overlooked",
        "lifecycle",
        "a client looks for the offer once and does not wait for one to show up",
        LateOfferOverlooked,
    ),
    _M(
        "old-ring-reused",
        "lifecycle",
        "the rings are not cleared at reopen, so packets of the last period arrive in the next",
        OldRingReused,
    ),
    _M(
        "second-enable-refused",
        "lifecycle",
        "Disable does not bring back the state from which Enable starts",
        SecondEnableRefused,
    ),
    _M(
        "handlers-lost-at-client-close",
        "lifecycle",
        "the close by the client frees the table of handlers with the connection",
        HandlersLostAtClientClose,
    ),
)
