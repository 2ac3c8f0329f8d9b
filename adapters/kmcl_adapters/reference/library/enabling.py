"""What Enable leaves to the reading: a client without an offer, failures, a connect that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmcl_model.status import STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER

from .phases import Phase

if TYPE_CHECKING:
    from .channel import Channel
    from .lifecycle import Lifecycle
    from .scheduler import Wait

__all__ = ["open_inline", "refusal_of_enable", "report_pnp_failure", "wait_for_offer"]


def refusal_of_enable(channel: Channel) -> int | None:
    """Why the Enable of a disabled channel fails; None where it does not (A21, A33, A52)."""
    readings = channel.readings
    if channel.half_enabled:
        return STATUS_INVALID_DEVICE_STATE
    status = None
    if readings.small_ring == "error" and channel.rings_too_small():
        status = STATUS_INVALID_PARAMETER
    elif readings.enable_needs_offer and _has_no_offer(channel):
        status = STATUS_INVALID_DEVICE_STATE
    channel.half_enabled = status is not None and readings.failed_enable == "half"
    return status


def _has_no_offer(channel: Channel) -> bool:
    """Whether a client would find none: one stays while its session ends."""
    server = channel.bus.server
    return not channel.is_server and (server is None or server.dead or server.is_disabled())


def wait_for_offer(channel: Channel) -> Wait | None:
    """What a client's Enable waits for that was just made, if for anything (A31 R2)."""
    if not (channel.readings.enable_waits_for_offer and _has_no_offer(channel)):
        return None
    return channel.wait(channel.enable_waits) if channel.awaits() else None


def open_inline(channel: Channel) -> None:
    """Let both ends open before Enable returns, as far as that goes without waiting (A31)."""
    link = channel.link
    run_now = channel.scheduler.run_now
    while link is not None and (run_now(link.server.lifecycle) or run_now(link.client.lifecycle)):
        pass


def report_pnp_failure(lifecycle: Lifecycle) -> bool:
    """Tell the client that connecting failed after the device was found (A46, A52)."""
    channel = lifecycle.channel
    status, lifecycle.pnp_status = lifecycle.pnp_status, None
    handler = channel.pnp_failure
    if handler is None or status is None or channel.phase != Phase.ENABLED:
        return True
    lifecycle.calling = True

    def returned(_: int) -> None:
        lifecycle.calling = False
        _after_pnp_failure(channel)
        lifecycle.wake()

    handler(lifecycle.handle(), status, returned)
    return False


def _after_pnp_failure(channel: Channel) -> None:
    """The client's driver knows that connecting failed: what becomes of the channel (A52)."""
    if channel.phase != Phase.ENABLED or channel.dead:
        return
    match channel.readings.after_pnp_failure:
        case "disabled":
            channel.tear_down()
        case "again" if not channel.lifecycle.tried_again:
            channel.lifecycle.tried_again = True
            channel.refused = False
            channel.bus.match()
        case _:
            pass
