"""Configuring both channels, and the values that generated calls use."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from kmcl_model.api import STATE_CHANGE_CALLBACKS
from kmcl_model.payload import TAGS, Payload, payload_bytes
from kmcl_model.stimuli import Invoke, Run, Settle

__all__ = [
    "ANSWERS",
    "ENABLED_ONLY",
    "HARMLESS",
    "INSTANCE",
    "LENGTHS",
    "MAXIMUM",
    "PACKETS",
    "RUNS",
    "SETTLE",
    "TYPE",
    "answer",
    "prelude",
    "setting",
]

MAXIMUM: Final = 1040
"""The maximum packet size; no library has this one of itself, so that a lost setting shows."""

PACKETS: Final = ("p0", "p1", "p2", "p3")
ANSWERS: Final = (None, *(payload_bytes(Payload(TAGS - 1, n)) for n in (8, 13, 24)))
"""No answer, and one of each length."""

LENGTHS: Final = (1, 8, 13, 40, 64, MAXIMUM, MAXIMUM, 0, MAXIMUM + 8)
TYPE, INSTANCE = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-aaaaaaaaaaaa"

SETTLE: Final = Settle("settle")
RUNS: Final = tuple(Run("run", i) for i in range(64))


def _invoke(endpoint: str, function: str, *arguments: Any) -> Invoke:
    return Invoke("invoke", endpoint, "t0", function, arguments)


def answer(rng: Random) -> bytes | None:
    """What a packet is completed with; the tags tell answers apart, from messages as well."""
    given = ANSWERS[int(rng.random() * len(ANSWERS))]
    return given and payload_bytes(Payload(TAGS - 1 - int(rng.random() * 3), len(given)))


def prelude(rng: Random) -> list[Invoke]:
    """Allocate and configure both channels, as most drivers do, with a few variations."""
    stimuli: list[Invoke] = []
    plain = rng.random() < 0.88
    for endpoint in ("server", "client") if rng.random() < 0.5 else ("client", "server"):
        handlers = tuple(c for c in STATE_CHANGE_CALLBACKS if plain or rng.random() < 0.7)
        reports = plain or rng.random() < 0.5
        bare = rng.random() < 0.03
        stimuli.append(_invoke(endpoint, "VmbChannelAllocate", endpoint == "server"))
        if not bare:
            table = (1, "size", handlers)
            stimuli.append(_invoke(endpoint, "VmbChannelInitSetStateChangeCallbacks", *table))
        stimuli += [
            _invoke(endpoint, "VmbChannelInitSetProcessPacketCallbacks", True, reports),
            _invoke(endpoint, "VmbChannelInitSetMaximumPacketSize", MAXIMUM),
        ]
        if endpoint == "server":
            stimuli += [
                _invoke(endpoint, "VmbServerChannelInitSetVmbusHandle", 1),
                _invoke(endpoint, "VmbServerChannelInitSetTargetInterfaceId", TYPE, INSTANCE),
            ]
        else:
            stimuli += [
                _invoke(endpoint, "VmbClientChannelInitSetTargetPnp", TYPE, INSTANCE, True),
                _invoke(endpoint, "VmbClientChannelInitSetRingBufferPageCount", 1, 1),
            ]
        if rng.random() < 0.6:
            quota = rng.choice((1, 1, 2, 3))
            stimuli.append(_invoke(endpoint, "VmbChannelSetTransactionQuota", quota))
    return stimuli


HARMLESS: Final = (
    ("VmbChannelInitSetFriendlyName", ("Network",)),
    ("VmbChannelInitSetClientContextSize", (16,)),
    ("VmbChannelInitSetFlags", (0,)),
    ("VmbChannelInitSetFlags", (0x80000000,)),
    ("VmbChannelInitSetMaximumExternalData", (4096, 4)),
    ("VmbChannelInitSetMaximumExternalData", (0, 4)),
    ("VmbChannelInitSetMaximumExternalData", (4096, 0)),
    ("VmbChannelInitSetMaximumPacketSize", (0,)),
    ("VmbChannelInitSetStateChangeCallbacks", (2, "size", ())),
    ("VmbChannelInitSetStateChangeCallbacks", (1, 8, ())),
    ("VmbChannelInitSetStateChangeCallbacks", (1, 4096, ())),
    ("VmbChannelInitSetStateChangeCallbacks", (0, "size", ())),
    ("VmbServerChannelInitSetFlags", (0,)),
    ("VmbServerChannelInitSetFlags", (0x80000000,)),
    ("VmbServerChannelInitSetMmioMegabytes", (0, 0)),
    ("VmbServerChannelInitSetMmioMegabytes", (5, 0)),
    ("VmbServerChannelInitSetTargetVtl", (0,)),
    ("VmbServerChannelInitSetTargetVtl", (255,)),
    ("VmbServerChannelInitSetSaveRestorePacketCallbacks", (True, True)),
    ("VmbServerChannelInitSetVmbusHandle", (1,)),
    ("VmbServerChannelInitSetTargetInterfaceId", (TYPE, INSTANCE)),
    ("VmbClientChannelInitSetTargetPnp", (TYPE, INSTANCE, True)),
    ("VmbClientChannelInitSetTargetPnp", (TYPE, None, False)),
    ("VmbClientChannelInitSetRingBufferPageCount", (1, 1)),
    ("VmbClientChannelInitSetRingBufferPageCount", (0, 0)),
)

ENABLED_ONLY: Final = (
    ("VmbChannelInitSetMaximumPacketSize", (MAXIMUM * 2,)),
    ("VmbChannelInitSetProcessPacketCallbacks", (True, True)),
    ("VmbChannelInitSetStateChangeCallbacks", (1, "size", STATE_CHANGE_CALLBACKS)),
    ("VmbChannelSetInterruptLatency", (2503,)),
    ("VmbChannelSetInterruptLatency", (71,)),
)


def setting(rng: Random, disabled: bool) -> tuple[str, tuple[Any, ...]]:
    """A configuration call that changes nothing the walk relies on."""
    rows = HARMLESS if disabled else HARMLESS + ENABLED_ONLY * 3
    return rows[int(rng.random() * len(rows))]
