"""The transaction quota of the receiver."""

from __future__ import annotations

from kmcl_model.spec.observer import Rule

__all__ = ["RULES"]

RULES = (
    Rule(
        "FL-quota",
        ("call", "VmbChannelSetTransactionQuota"),
        (),
        lambda s, e: s._replace(
            quota_calls=(*s.quota_calls, (e.by, e.arguments[0])),
            blocked=max(s.blocked, int(0 < e.arguments[0] <= s.outstanding)),
        ),
    ),
    Rule(
        "FL-quota-set",
        ("return", "VmbChannelSetTransactionQuota"),
        (),
        lambda s, e: s._replace(
            quota=next(value for by, value in s.quota_calls if by == e.by),
            quota_calls=tuple(c for c in s.quota_calls if c[0] != e.by),
        ),
    ),
)
