"""Legal variants: the reference with another permitted reading of an open point.

``variant:NAME`` or ``variant:NAME+NAME`` names one or several. A suite that raises an alarm on
one of them takes the habits of the reference for the specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from kmcl_adapters.interface import AdapterError, nearest
from kmcl_adapters.reference import Readings, ReferenceAdapter
from kmcl_model.status import STATUS_DEVICE_REMOVED, STATUS_INVALID_DEVICE_STATE, STATUS_SUCCESS

__all__ = ["VARIANTS", "Variant", "changes_of", "compatible", "create"]


class Variant(NamedTuple):
    """One switch: which readings it takes, and what then differs.

    ``takes`` are labels such as ``A34:R1`` or ``A21/zero-pages:R1``: an interpretation, its point
    where it has several, and the reading. The report on the variant must name each of them.
    """

    name: str
    takes: tuple[str, ...]
    description: str
    change: Mapping[str, object]


_V = Variant
VARIANTS: Final[dict[str, Variant]] = {
    v.name: v
    for v in (
        # Configuration
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
        # Lifecycle
        _V(
            "callbacks-before-enable-returns",
            ("A31/callbacks:R2",),
            "the callbacks of the opening run inside VmbChannelEnable",
            {"callbacks_before_enable_returns": True},
        ),
        _V(
            "double-enable-succeeds",
            ("A32:R2",),
            "Enable of a channel that is not disabled succeeds without effect",
            {"enable_again_status": STATUS_SUCCESS},
        ),
        _V(
            "closed-noticed-later",
            ("A49/moment:R2",),
            "a client is disabled a moment after Closed has returned",
            {"closed_noticed_later": True},
        ),
        _V(
            "server-starts-active",
            ("A34:R1",),
            "a freshly enabled server is active",
            {"server_starts_paused": False},
        ),
        _V(
            "pause-wish-one-shot",
            ("A35:R2",),
            "Pause on a disabled channel holds for the next Enable only",
            {"pause_wish": "one-shot"},
        ),
        _V(
            "start-while-disabled-ignored",
            ("A36:R2",),
            "Start on a disabled channel does not clear the wish for a pause",
            {"start_while_disabled": "ignored"},
        ),
        _V(
            "pause-part-survives-enable",
            ("A39/enable:R1",),
            "paused or active survives Disable and Enable",
            {"pause_part_reset": "never"},
        ),
        _V(
            "pause-part-reset-by-close",
            ("A39/reopen:R2",),
            "each close sets paused or active back to its initial value",
            {"pause_part_reset": "close"},
        ),
        _V(
            "client-opened-first",
            ("A43/order:R2",),
            "the client's Opened runs before the server's",
            {"opened_order": "client-first"},
        ),
        _V(
            "opened-together",
            ("A43/order:R3",),
            "the two Opened run independently of each other",
            {"opened_order": "together"},
        ),
        _V(
            "rejected-open-silent",
            ("A46:R3",),
            "the client hears nothing of an open that the server rejected",
            {"rejected_open": "silent"},
        ),
        # Started, PostStarted, Suspend, Pause
        _V(
            "started-while-paused-at-open",
            ("A53:R1",),
            "opening a paused channel calls Started at once, and Start calls it again",
            {"started_when_paused_at_open": True},
        ),
        _V(
            "process-packet-before-post-started",
            ("A55:R2",),
            "packets are delivered as soon as Started has returned",
            {"packets_wait_for_post_started": False},
        ),
        _V(
            "suspend-waits-for-post-started",
            ("A56/close-meanwhile:R1",),
            "Suspend does not overlap with PostStarted",
            {"suspend_waits_for_post_started": True},
        ),
        _V(
            "no-client-suspend-at-close",
            ("A57:R1",),
            "a client gets no Suspend when the channel closes",
            {"client_suspend_at_close": False},
        ),
        _V(
            "extra-suspend-at-close",
            ("A59:R2",),
            "closing a paused channel calls Suspend once more",
            {"extra_suspend_at_close": True},
        ),
        _V(
            "pause-waits-for-outgoing",
            ("A64:R2",),
            "Pause also waits until the peer has completed what was sent, while there is a peer",
            {"pause_waits_for_outgoing": True},
        ),
        _V(
            "completions-held-while-paused",
            ("A65:R2",),
            "answers of the peer are served after the next Start",
            {"completions_while_paused": False},
        ),
        _V(
            "sends-held-while-paused",
            ("A66:R2",),
            "packets sent while paused wait for the next Start",
            {"sends_while_paused": "held"},
        ),
        _V(
            "sends-refused-while-paused",
            ("A66:R3",),
            "packets sent on an open channel while paused are refused",
            {"sends_while_paused": "refused"},
        ),
        _V(
            "answers-held-while-paused",
            ("A83/while-paused:R2",),
            "completion packets of a paused end wait for the next Start",
            {"answers_held_while_paused": True},
        ),
        _V(
            "start-during-pause-ignored",
            ("A148/start-during-pause:R2",),
            "Start has no effect while a Pause still waits",
            {"start_during_pause": "ignored"},
        ),
        _V(
            "start-during-pause-waits",
            ("A148/start-during-pause:R3",),
            "Start waits for a Pause in progress, then ends the pause",
            {"start_during_pause": "waits"},
        ),
        _V(
            "start-during-pause-returns",
            ("A148/start-during-pause:R1",),
            "Start lets a Pause in progress return at once; the stop is carried out all the same",
            {"start_during_pause": "returns"},
        ),
        _V(
            "start-during-pause-undone",
            ("A148/start-during-pause:R1",),
            "Start takes a Pause back that has not begun to stop the queue",
            {"start_during_pause": "undone"},
        ),
        # Receiving
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
        # Sending
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
            "completions-reversed",
            ("A84/routines:R2",),
            "of several transactions that are over, the last one is completed first",
            {"completion_order": "reverse"},
        ),
    )
}
"""Every variant by name."""


def compatible(names: tuple[str, ...], known: Mapping[str, Variant] = VARIANTS) -> bool:
    """Whether these variants can be combined: no two set one switch differently."""
    chosen: dict[str, object] = {}
    for name in names:
        for switch, value in known[name].change.items():
            if chosen.setdefault(switch, value) != value:
                return False
    return True


def changes_of(argument: str, known: Mapping[str, Variant]) -> dict[str, Any]:
    """What the variants set that an argument names, joined by ``+``. Raises AdapterError."""
    names = tuple(argument.split("+"))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise AdapterError(f"no variant {unknown[0]!r}; {nearest(unknown[0], known)}")
    if not compatible(names, known):
        raise AdapterError(f"these variants exclude each other: {argument}")
    return {switch: value for name in names for switch, value in known[name].change.items()}


def create(argument: str) -> ReferenceAdapter:
    """The reference under one or several other readings, joined by ``+``."""
    readings = replace(Readings(), **changes_of(argument, VARIANTS))
    return ReferenceAdapter(f"variant:{argument}", readings=readings)
