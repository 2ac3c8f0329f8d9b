"""What is known of the configuration of a channel, and the small changes many rules make."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmcl_model.events import Argument, Call, Event, Return
from kmcl_model.spec.changes import quickly_replaced

__all__ = [
    "ConfigurationState",
    "Limits",
    "begin",
    "call_of",
    "end",
    "initial",
    "is_complete",
    "tightness",
]


class Limits(NamedTuple):
    """What packets need to know of the configuration of their channel.

    ``maximum``: the largest packet in bytes; ``reports``: ProcessingComplete is registered;
    ``tight``: what ``tightness`` says of the ring; ``hears``: a PnpFailure handler is registered;
    ``complete``: what ``is_complete`` says.
    """

    maximum: int
    reports: bool
    tight: int = 0
    hears: bool = False
    complete: bool = False


@quickly_replaced
class ConfigurationState(NamedTuple):
    """What was seen of a channel's configuration.

    ``stance``: the channel is disabled, enabled or in between; ``returned``: Disable has returned;
    ``span``: it is ``within`` Opened and Closed, ``outside``, or ``between``. ``calls`` are the
    calls in progress: caller, function, arguments, stance and span, in between if they changed
    since the call began. ``pages`` are asked for in each ring of a client, 0 by default. ``done``
    are the settings that were accepted. ``latency`` is what holds, ``before`` what held before it,
    where known; ``refused`` what was asked for in vain, as long as nothing was set; ``mixed``:
    calls overlap.
    """

    endpoint: str
    stance: str = "disabled"
    returned: bool = False
    span: str = "outside"
    calls: tuple[tuple[str, str, tuple[Argument, ...], str, str], ...] = ()
    pointer: int | None = None
    maximum: int = 0
    reports: bool = False
    pages: tuple[int, ...] = ()
    hears: bool = False
    done: frozenset[str] = frozenset()
    latency: int | None = None
    before: int | None = None
    refused: int | None = None
    mixed: bool = False
    assumed: tuple[str, ...] = ()


_PAGE = 4096
_HEADERS = 64
"""Bytes that the headers of a packet surely fit into."""


def tightness(maximum: int, pages: tuple[int, ...]) -> int:
    """Whether a packet of ``maximum`` bytes fits into each ring of so many ``pages``: 0 it does,
    1 headers might make it too large, 2 it does not (A21). 0 pages stand for a default size."""
    asked = [count * _PAGE for count in pages if count]
    if not asked or min(asked) >= maximum + _HEADERS:
        return 0
    return 1 if min(asked) >= maximum else 2


def initial(endpoint: str) -> ConfigurationState:
    """Nothing configured; the pointer of a new channel is null (A120)."""
    return ConfigurationState(endpoint)


_NEEDED = {
    "client": frozenset({"VmbClientChannelInitSetTargetPnp"}),
    "server": frozenset(
        {"VmbServerChannelInitSetTargetInterfaceId", "VmbServerChannelInitSetVmbusHandle"}
    ),
}
_NEEDED_BY_BOTH = frozenset(
    {"VmbChannelInitSetProcessPacketCallbacks", "VmbChannelInitSetMaximumPacketSize"}
)


def is_complete(s: ConfigurationState) -> bool:
    """Whether everything was set without which Enable or the first packet is undefined (A17, A18,
    A24, A28)."""
    return s.done >= _NEEDED_BY_BOTH and s.done >= _NEEDED[s.endpoint]


def begin(s: ConfigurationState, e: Event) -> ConfigurationState:
    """A call is under way."""
    assert isinstance(e, Call)
    return s._replace(calls=(*s.calls, (e.by, e.function, e.arguments, s.stance, s.span)))


def call_of(s: ConfigurationState, e: Any) -> tuple[str, str, tuple[Any, ...], str, str]:
    """The call that returns, empty if there is none."""
    return next((c for c in s.calls if c[0] == e.by), ("", "", (), "", ""))


def end(s: ConfigurationState, e: Event) -> ConfigurationState:
    """A call has returned."""
    assert isinstance(e, Return)
    return s._replace(calls=tuple(c for c in s.calls if c[0] != e.by))
