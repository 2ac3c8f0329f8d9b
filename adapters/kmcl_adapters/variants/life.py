"""Variants that differ in enabling, opening, closing, starting and stopping."""

from __future__ import annotations

from typing import Final

from kmcl_model.status import STATUS_SUCCESS

from .variant import Variant

__all__ = ["VARIANTS"]

_V = Variant
VARIANTS: Final = (
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
    _V(
        "enable-waits-for-offer",
        ("A31:R2",),
        "a client's Enable blocks until there is an offer",
        {"enable_waits_for_offer": True},
    ),
    _V(
        "enable-needs-an-offer",
        ("A52/no-device:R2",),
        "a client's Enable fails while there is no offer",
        {"enable_needs_offer": True},
    ),
    _V(
        "failed-enable-wants-disable",
        (
            "A21/small-counts:R1",
            "A33:R2",
        ),
        "after an Enable that failed, only Disable makes another one possible",
        {"small_ring": "error", "failed_enable": "half"},
    ),
    _V(
        "rejecting-server-disabled",
        ("A44:R3",),
        "a server whose Opened has failed is disabled",
        {"after_rejection": "disabled"},
    ),
    _V(
        "closed-after-rejection",
        ("A44:R2",),
        "an end whose Opened has failed is closed",
        {"after_rejection": "closed"},
    ),
    _V(
        "pnp-failure-disables",
        ("A52/state-afterwards:R2",),
        "a client that could not connect is disabled of itself",
        {"after_pnp_failure": "disabled"},
    ),
    _V(
        "pnp-failure-tries-again",
        ("A52/state-afterwards:R3",),
        "a client that could not connect tries once more",
        {"after_pnp_failure": "again"},
    ),
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
        {"packets_wait_for_post_started": "no"},
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
    _V(
        "process-packet-after-post-started",
        ("A55:R1",),
        "no packet is delivered until PostStarted has returned",
        {"packets_wait_for_post_started": "returned"},
    ),
    _V(
        "flushed-before-suspend",
        ("A60:R1",),
        "what a server has sent is cancelled before its Suspend",
        {"flushed_before_suspend": True},
    ),
    _V(
        "closed-before-drained",
        ("A62:R2",),
        "Closed of a Disable does not wait for packets that the driver holds",
        {"closed_before_drained": True},
    ),
)
