"""Variants that differ in settings, and in what a channel and its packets are at first."""

from __future__ import annotations

from typing import Final

from kmcl_model.status import STATUS_INVALID_DEVICE_STATE

from .variant import Variant

__all__ = ["VARIANTS"]

_V = Variant
VARIANTS: Final = (
    _V(
        "init-while-enabled-other-status",
        ("A08:R2",),
        "init functions of a generic status refuse an enabled channel with a code of their own",
        {"generic_init_status": STATUS_INVALID_DEVICE_STATE},
    ),
    _V(
        "friendly-name-any-time",
        ("A08:R3",),
        "the friendly name may be changed on an enabled channel",
        {"friendly_name_any_time": True},
    ),
    _V(
        "latency-on-server",
        ("A146/endpoint:R2",),
        "a server may change the interrupt latency as well",
        {"latency_on_server": True},
    ),
    _V(
        "latency-remembered",
        ("A146/outside-the-span:R2",),
        "the interrupt latency may be changed while nothing is open",
        {"latency_outside": "remembered"},
    ),
    _V(
        "wrong-role-other-status",
        ("A09:R2",),
        "a function of the other role fails with a code of its own",
        {"wrong_role_status": STATUS_INVALID_DEVICE_STATE},
    ),
    _V(
        "zero-pages-refused",
        ("A21/zero-pages:R1",),
        "a ring of zero pages is an error",
        {"zero_pages": "error"},
    ),
    _V(
        "small-ring-refused",
        ("A21/small-counts:R1",),
        "Enable fails if a maximal packet does not fit the pages asked for",
        {"small_ring": "error"},
    ),
    _V(
        "settings-once",
        ("A29:R2",),
        "an init function works once in the life of a channel",
        {"settings_once": True},
    ),
    _V(
        "quota-limited-at-first",
        ("A87/initial:R2",),
        "a channel whose quota was never set has a limit of the library",
        {"initial_quota": 2},
    ),
    _V(
        "quota-reset-at-close",
        ("A87/lifetime:R2",),
        "a close sets the quota back to its initial value",
        {"quota_reset_at_close": True},
    ),
    _V(
        "initialize-accepts-less-than-sizeof",
        ("A115:R1",),
        "memory above the maximum plus one pointer is enough for a packet",
        {"initialize_from": "sum"},
    ),
    _V(
        "allocation-needs-enable",
        ("A121/before-enable:R2",),
        "VmbPacketAllocate returns null on a disabled channel",
        {"allocation_needs_enable": True},
    ),
    _V(
        "last-argument-first",
        ("A10:R2",),
        "of several bad arguments the last one counts",
        {"argument_checks": "last"},
    ),
    _V(
        "flag-bits-of-its-own",
        ("A15/legal-bits:R2",),
        "flag bits are legal that no page lists",
        {"flag_bits": "any"},
    ),
    _V(
        "context-of-no-size-refused",
        ("A22/size-zero:R2",),
        "a context area of zero bytes is an error",
        {"context_of_no_size": "error"},
    ),
    _V(
        "any-vtl-accepted",
        ("A25/legal-set:R1",),
        "a VTL up to the architectural limit is accepted",
        {"highest_vtl": 15},
    ),
    _V(
        "pnp-callback-required",
        ("A24/null-arguments:R2",),
        "a client's target wants a callback for a failure to connect",
        {"pnp_callback": "required"},
    ),
    _V(
        "mmio-megabytes-mandatory",
        ("A26:R2",),
        "the mandatory MMIO space must be above zero",
        {"mmio_megabytes": "mandatory"},
    ),
    _V(
        "channel-pointer-not-null",
        ("A120/channel-never-set:R2",),
        "the pointer of a new channel is anything",
        {"channel_pointer": 0xDEAD},
    ),
    _V(
        "packet-pointer-not-null",
        ("A120/packet-never-set:R2",),
        "the pointer of a new packet is anything",
        {"packet_pointer": 0xDEAD},
    ),
    _V(
        "packet-pointer-taken-again",
        ("A120/taken-again:R2",),
        "a packet that was freed comes back with its pointer",
        {"pointer_taken_again": "kept"},
    ),
)
