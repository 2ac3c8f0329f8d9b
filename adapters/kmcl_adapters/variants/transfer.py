"""Variants that differ in what becomes of packets."""

from __future__ import annotations

from typing import Final

from kmcl_model.status import STATUS_DEVICE_REMOVED

from .variant import Variant

__all__ = ["VARIANTS"]

_V = Variant
VARIANTS: Final = (
    _V(
        "passive-processing",
        ("A30/level:R2",),
        "the handlers of incoming packets always run at PASSIVE_LEVEL",
        {"passive_processing": True},
    ),
    _V(
        "lengths-rounded-up",
        (
            "A71/length:R2",
            "A105/length:R2",
        ),
        "received packets and answers are padded to whole units of eight bytes",
        {"rounded_lengths": True},
    ),
    _V(
        "batch-reported-at-quota-block",
        ("A73:R2",),
        "a batch also ends where the quota stops the queue",
        {"report_at_quota_block": True},
    ),
    _V(
        "unfinished-batch-not-reported",
        ("A75:R2",),
        "a batch cut short by Suspend is not reported",
        {"unfinished_batch": "dropped"},
    ),
    _V(
        "batch-reported-after-suspend",
        ("A75:R3",),
        "a batch cut short by Suspend is reported after it",
        {"unfinished_batch": "after-suspend"},
    ),
    _V(
        "start-restarts-failed-queue",
        ("A81/restart:R2",),
        "Pause and Start restart a queue that VmbChannelPacketFail stopped",
        {"failed_queue_restart": "start"},
    ),
    _V(
        "malformed-skipped",
        ("A153:R2",),
        "a malformed packet is skipped and the queue goes on",
        {"malformed": "skip"},
    ),
    _V(
        "parallel-process-packet",
        ("A70:R2",),
        "ProcessPacket is called while another one runs",
        {"parallel_processing": True},
    ),
    _V(
        "other-flag-bits",
        ("A72/other-bits:R2",),
        "packets come with flags of a meaning of their own",
        {"other_flag_bits": 0x10},
    ),
    _V(
        "full-ring-errs",
        ("A89:R2",),
        "a send for which the ring has no room returns an error",
        {"full_ring": "error"},
    ),
    _V(
        "sends-while-disabled-accepted",
        ("A90:R1",),
        "packets can be queued from Allocate on",
        {"sends_while_disabled": True},
    ),
    _V(
        "queued-kept-over-disable",
        ("A91/disable:R2",),
        "what was queued when a channel is disabled is sent when it is open again",
        {"queued_at_disable": "kept"},
    ),
    _V(
        "queued-cancelled-at-remote-close",
        ("A91/remote-close:R1",),
        "what a server had queued is cancelled when the client closes",
        {"queued_at_remote_close": "cancelled"},
    ),
    _V(
        "cancelled-after-closed",
        ("A92:R2",),
        "unanswered packets are cancelled after Closed instead of before",
        {"cancel_after_closed": True},
    ),
    _V(
        "cancelled-as-device-removed",
        ("A94/code:R2",),
        "cancelled packets carry STATUS_DEVICE_REMOVED",
        {"cancel_status": STATUS_DEVICE_REMOVED},
    ),
    _V(
        "completion-inside-send",
        ("A95:R1",),
        "a packet that wants no answer is completed inside the call that sends it",
        {"completion_inside_send": True},
    ),
    _V(
        "zero-length-refused",
        ("A97:R2",),
        "a packet without bytes is an error",
        {"zero_length": "refused"},
    ),
    _V(
        "above-maximum-delivered",
        ("A98/above:R2",),
        "a packet above the maximum size is delivered intact if the ring can hold it",
        {"above_maximum": "sent"},
    ),
    _V(
        "unknown-send-flags-ignored",
        ("A101/unknown-bits:R2",),
        "send flags without a meaning are ignored",
        {"unknown_send_flags": "ignored"},
    ),
    _V(
        "force-mdl-length-refused",
        ("A101/force-mdl-length:R2",),
        "FORCE_MDL_LENGTH is an error where there is no MDL",
        {"force_mdl_length": "error"},
    ),
    _V(
        "completions-reversed",
        ("A84/routines:R2",),
        "of several transactions that are over, the last one is completed first",
        {"completion_order": "reverse"},
    ),
)
