"""The choices that the pages leave open, as data: one switch for each reading that may differ.

The defaults are the default readings of the list of interpretations; ``kmcl_adapters.variants``
names the others. A switch holds the interpretation's number in its comment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kmcl_model.status import (
    STATUS_CANCELLED,
    STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER_1,
)

__all__ = ["Readings"]


@dataclass(frozen=True, slots=True)
class Readings:
    """How one implementation reads the open points; immutable, shared by both ends."""

    # Configuration
    argument_checks: Literal["first", "last"] = "first"  # A10
    flag_bits: Literal["listed", "any"] = "listed"  # A15
    context_of_no_size: Literal["none", "error"] = "none"  # A22
    highest_vtl: int = 2  # A25
    pnp_callback: Literal["optional", "required"] = "optional"  # A24
    mmio_megabytes: Literal["either", "mandatory"] = "either"  # A26
    wrong_role_status: int = STATUS_INVALID_PARAMETER_1  # A09
    generic_init_status: int = STATUS_INVALID_PARAMETER_1  # A08
    friendly_name_any_time: bool = False  # A08
    zero_pages: Literal["default", "error"] = "default"  # A21
    small_ring: Literal["raise", "error"] = "raise"  # A21
    settings_once: bool = False  # A29
    initialize_from: Literal["sizeof", "sum"] = "sizeof"  # A115
    allocation_needs_enable: bool = False  # A121
    initial_quota: int | None = None  # A87
    quota_reset_at_close: bool = False  # A87
    latency_on_server: bool = False  # A146
    latency_outside: Literal["error", "remembered"] = "error"  # A146
    channel_pointer: int | None = None  # A120
    packet_pointer: int | None = None  # A120
    pointer_taken_again: Literal["reset", "kept"] = "reset"  # A120

    # Lifecycle
    enable_again_status: int = STATUS_INVALID_DEVICE_STATE  # A32
    callbacks_before_enable_returns: bool = False  # A31
    enable_waits_for_offer: bool = False  # A31
    enable_needs_offer: bool = False  # A52
    failed_enable: Literal["nothing", "half"] = "nothing"  # A33
    closed_noticed_later: bool = False  # A49
    server_starts_paused: bool = True  # A34
    pause_wish: Literal["lasting", "one-shot"] = "lasting"  # A35
    start_while_disabled: Literal["clears", "ignored"] = "clears"  # A36
    pause_part_reset: Literal["enable", "never", "close"] = "enable"  # A39
    opened_order: Literal["server-first", "client-first", "together"] = "server-first"  # A43
    after_rejection: Literal["enabled", "disabled", "closed"] = "enabled"  # A44
    rejected_open: Literal["pnp-failure", "silent"] = "pnp-failure"  # A46
    after_pnp_failure: Literal["enabled", "disabled", "again"] = "enabled"  # A52

    # Started, PostStarted, Suspend, Pause
    started_when_paused_at_open: bool = False  # A53
    packets_wait_for_post_started: Literal["no", "entered", "returned"] = "entered"  # A55
    suspend_waits_for_post_started: bool = False  # A56
    client_suspend_at_close: bool = True  # A57
    extra_suspend_at_close: bool = False  # A59
    flushed_before_suspend: bool = False  # A60
    closed_before_drained: bool = False  # A62
    pause_waits_for_outgoing: bool = False  # A64
    completions_while_paused: bool = True  # A65
    sends_while_paused: Literal["sent", "held", "refused"] = "sent"  # A66
    answers_held_while_paused: bool = False  # A83
    start_during_pause: Literal["resumes", "ignored", "waits", "returns", "undone"] = (
        "resumes"  # A148
    )

    # Receiving
    passive_processing: bool = False  # A30
    parallel_processing: bool = False  # A70
    rounded_lengths: bool = False  # A71, A105
    other_flag_bits: int = 0  # A72
    report_at_quota_block: bool = False  # A73
    unfinished_batch: Literal["before-suspend", "dropped", "after-suspend"] = (
        "before-suspend"  # A75
    )
    failed_queue_restart: Literal["reopen", "start"] = "reopen"  # A81
    malformed: Literal["stop", "skip"] = "stop"  # A153

    # Sending
    full_ring: Literal["queue", "error"] = "queue"  # A89
    sends_while_disabled: bool = False  # A90
    queued_at_disable: Literal["cancelled", "kept"] = "cancelled"  # A91
    queued_at_remote_close: Literal["kept", "cancelled"] = "kept"  # A91
    cancel_after_closed: bool = False  # A92
    cancel_status: int = STATUS_CANCELLED  # A94
    completion_inside_send: bool = False  # A95
    zero_length: Literal["sent", "refused"] = "sent"  # A97
    above_maximum: Literal["error", "sent"] = "error"  # A98
    unknown_send_flags: Literal["error", "ignored"] = "error"  # A101
    force_mdl_length: Literal["ignored", "error"] = "ignored"  # A101
    completion_order: Literal["arrival", "reverse"] = "arrival"  # A84, A104
