"""The setters: for each, what it accepts and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from kmcl_model.status import (
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
)

__all__ = ["SETTERS", "Refusal", "Setter"]


class Refusal(NamedTuple):
    """Arguments for which ``when`` holds are refused with ``status`` (None: any error)."""

    when: Callable[[tuple[Any, ...]], bool]
    status: int | None
    requirements: str
    words: str


class Setter(NamedTuple):
    """How one setter answers; requirements are ids separated by blanks.

    ``accepted``: those that make a valid setting succeed. ``enabled``: those that make an enabled
    channel answer STATUS_INVALID_PARAMETER_1, empty where no page promises the code (A08).
    ``undecided``: the arguments that may be accepted or refused; ``readings``: the reading that
    shows where they are accepted, and where they are refused.
    """

    function: str
    accepted: str
    enabled: str = ""
    role: str = "both"
    role_requirements: str = ""
    refusals: tuple[Refusal, ...] = ()
    undecided: Callable[[tuple[Any, ...]], bool] = lambda _arguments: False
    readings: tuple[str, ...] = ()


_P2, _P3 = STATUS_INVALID_PARAMETER_2, STATUS_INVALID_PARAMETER_3

SETTERS: tuple[Setter, ...] = (
    Setter(
        "VmbChannelInitSetClientContextSize",
        "F147 F200 F199",
        undecided=lambda a: a[0] == 0,
        readings=("A22/size-zero:R1", "A22/size-zero:R2"),
    ),
    Setter(
        "VmbChannelInitSetFlags",
        "F147 F201",
        "F202",
        refusals=(Refusal(lambda a: bool(a[0] & 0x80000000), _P2, "F203", "undefined bits"),),
        undecided=lambda a: bool(a[0] & ~0x80000001),
        readings=("A15/legal-bits:R2", "A15/legal-bits:R1"),
    ),
    Setter("VmbChannelInitSetFriendlyName", "F147 F204 F205 F206 F207"),
    Setter(
        "VmbChannelInitSetMaximumExternalData",
        "F147 F210",
        "F211",
        refusals=(
            Refusal(lambda a: a[0] == 0, _P2, "F212", "a DataSize of zero"),
            Refusal(lambda a: a[1] == 0, _P3, "F213", "a ChainLength of zero"),
        ),
    ),
    Setter(
        "VmbChannelInitSetMaximumPacketSize",
        "F147 F217",
        "F218",
        refusals=(Refusal(lambda a: a[0] == 0, _P2, "F219", "a PacketSize of zero"),),
    ),
    Setter(
        "VmbChannelInitSetProcessPacketCallbacks",
        "F147 F223 F049",
        "F224",
        undecided=lambda a: not a[0],
        readings=("A17:R3", "A17:R1"),
    ),
    Setter(
        "VmbChannelInitSetStateChangeCallbacks",
        "F147 F230 F445 F446 F463",
        "F231",
        refusals=(
            Refusal(lambda a: a[0] != 1, _P2, "F232 F463", "a wrong Version"),
            Refusal(lambda a: a[1] != "size", _P2, "F233 F463", "a wrong Size"),
        ),
    ),
    Setter(
        "VmbClientChannelInitSetRingBufferPageCount",
        "F147 F353",
        role="client",
        role_requirements="F352 F144",
        undecided=lambda a: 0 in a,
        readings=("A21/zero-pages:R2", "A21/zero-pages:R1"),
    ),
    Setter(
        "VmbClientChannelInitSetTargetPnp",
        "F147",
        "F359",
        role="client",
        role_requirements="F144",
        undecided=lambda a: not a[2],
        readings=("A24/null-arguments:R1", "A24/null-arguments:R2"),
    ),
    Setter(
        "VmbServerChannelInitSetFlags",
        "F147",
        "F418",
        role="server",
        role_requirements="F417 F144",
        refusals=(Refusal(lambda a: bool(a[0] & 0x80000000), _P2, "F419", "undefined bits"),),
        undecided=lambda a: bool(a[0] & ~0x8000001F),
        readings=("A15/legal-bits:R2", "A15/legal-bits:R1"),
    ),
    Setter(
        "VmbServerChannelInitSetMmioMegabytes",
        "F147 F424",
        "F422",
        role="server",
        role_requirements="F144",
        refusals=(
            Refusal(
                lambda a: a == (0, 0), STATUS_INVALID_PARAMETER, "F423", "zero for both amounts"
            ),
        ),
        undecided=lambda a: a[0] == 0 and a[1] != 0,
        readings=("A26:R1", "A26:R2"),
    ),
    Setter(
        "VmbServerChannelInitSetSaveRestorePacketCallbacks",
        "F147",
        "F429",
        role="server",
        role_requirements="F144",
        undecided=lambda a: not all(a),  # A144
    ),
    Setter(
        "VmbServerChannelInitSetTargetInterfaceId",
        "F147 F434",
        role="server",
        role_requirements="F144",
    ),
    Setter(
        "VmbServerChannelInitSetTargetVtl",
        "F147",
        "F437",
        role="server",
        role_requirements="F144",
        refusals=(Refusal(lambda a: a[0] == 255, _P2, "F438", "an absurd VTL"),),
        undecided=lambda a: a[0] not in (0, 255),
        readings=("A25/legal-set:R1", "A25/legal-set:R2"),
    ),
    Setter(
        "VmbServerChannelInitSetVmbusHandle", "F147 F444", role="server", role_requirements="F144"
    ),
)
"""Every setter, with its answers."""
