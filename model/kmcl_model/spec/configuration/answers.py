"""How a setter answers: its rules, made from its row of the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kmcl_model.spec.observer import Rule, need
from kmcl_model.status import STATUS_INVALID_PARAMETER_1, is_success

from .setters import Refusal, Setter
from .state import ConfigurationState, begin, call_of, end, tightness

__all__ = ["rules_of"]

_MAXIMUM = "VmbChannelInitSetMaximumPacketSize"
_PAGES = "VmbClientChannelInitSetRingBufferPageCount"


def rules_of(setter: Setter) -> list[Rule]:
    """The call, then one rule for each situation in which it can return."""
    returned = ("return", setter.function)

    def wrong_role(s: ConfigurationState, e: Any) -> bool:
        return setter.role not in ("both", s.endpoint)

    def enabled(s: ConfigurationState, e: Any) -> bool:
        return call_of(s, e)[3] == s.stance == "enabled"

    def between(s: ConfigurationState, e: Any) -> bool:
        return not call_of(s, e)[3] == s.stance in ("enabled", "disabled")

    def bad(s: ConfigurationState, e: Any) -> list[Refusal]:
        return [r for r in setter.refusals if r.when(call_of(s, e)[2])]

    def not_disabled(s: ConfigurationState, e: Any) -> bool:
        return enabled(s, e) or between(s, e)

    def undecided(s: ConfigurationState, e: Any) -> bool:
        return setter.undecided(call_of(s, e)[2]) or _tightens(s, e)

    def fails(e: Any, *statuses: int | None) -> bool:
        return not is_success(e.status) and (None in statuses or e.status in statuses)

    def repeated(s: ConfigurationState, e: Any) -> bool:
        return setter.function in s.done and not (is_success(e.status) or undecided(s, e))

    def good(s: ConfigurationState, e: Any) -> bool:
        if repeated(s, e):
            return False
        return not (
            wrong_role(s, e) or enabled(s, e) or between(s, e) or bad(s, e) or undecided(s, e)
        )

    def refused(refusal: Refusal) -> Rule:
        return Rule(
            f"CF-{setter.function}-{refusal.requirements.split()[0]}",
            returned,
            (
                need(
                    f"{refusal.words} is refused",
                    refusal.requirements,
                    lambda s, e: fails(e, *(r.status for r in bad(s, e))),
                ),
            ),
            lambda s, e: _note_choice(end(s, e), [r.status for r in bad(s, e)], e.status),
            when=lambda s, e: refusal in bad(s, e) and not (wrong_role(s, e) or not_disabled(s, e)),
        )

    rules = [
        Rule(f"CF-{setter.function}", ("call", setter.function), (), begin),
        Rule(
            f"CF-{setter.function}-between",
            returned,
            (),
            lambda s, e: _note_told(
                s, end(_apply(s, e) if is_success(e.status) else s, e), e, undecided(s, e)
            ),
            when=lambda s, e: between(s, e) and not wrong_role(s, e),
        ),
        Rule(
            f"CF-{setter.function}-accepted",
            returned,
            (
                need(
                    "a setting is possible again once Disable has returned",
                    "F182",
                    lambda s, e: e.status == 0 or not s.returned,
                    lambda s, e: s.returned,
                ),
                need(
                    "a valid setting of a disabled channel succeeds",
                    setter.accepted,
                    lambda s, e: e.status == 0 or s.returned,
                ),
            ),
            lambda s, e: end(_apply(s, e), e)._replace(
                assumed=("A29:R1",) if setter.function in s.done else ()
            ),
            when=good,
        ),
        # Configuration may be once only (A29).
        Rule(
            f"CF-{setter.function}-repeated",
            returned,
            (),
            lambda s, e: end(s, e)._replace(assumed=() if bad(s, e) else ("A29:R2",)),
            when=lambda s, e: repeated(s, e) and not (wrong_role(s, e) or not_disabled(s, e)),
        ),
        Rule(
            f"CF-{setter.function}-undecided",
            returned,
            (),
            lambda s, e: _note_undecided(
                s, end(_apply(s, e) if is_success(e.status) else s, e), e, setter.readings
            ),
            when=lambda s, e: (
                undecided(s, e) and not (wrong_role(s, e) or enabled(s, e) or bad(s, e))
            ),
        ),
    ]
    if setter.role != "both":
        rules.append(
            Rule(
                f"CF-{setter.function}-role",
                returned,
                (
                    need(
                        f"only a {setter.role} channel takes it",
                        setter.role_requirements,
                        lambda s, e: fails(e, None),
                    ),
                ),
                lambda s, e: _note(end(s, e), "A09", e.status == STATUS_INVALID_PARAMETER_1),
                when=wrong_role,
            )
        )
    rules.extend(refused(refusal) for refusal in setter.refusals)
    if setter.enabled:
        rules.append(
            Rule(
                f"CF-{setter.function}-enabled",
                returned,
                (
                    need(
                        "an enabled channel answers STATUS_INVALID_PARAMETER_1",
                        setter.enabled,
                        lambda s, e: fails(
                            e, STATUS_INVALID_PARAMETER_1, *(r.status for r in bad(s, e))
                        ),
                    ),
                ),
                lambda s, e: _note_choice(
                    end(s, e),
                    [STATUS_INVALID_PARAMETER_1, *(r.status for r in bad(s, e))],
                    e.status,
                ),
                when=lambda s, e: not wrong_role(s, e) and enabled(s, e),
            )
        )
    else:
        rules.append(
            Rule(
                f"CF-{setter.function}-enabled",
                returned,
                (),
                lambda s, e: _note_a08(end(s, e), e.status),
                when=lambda s, e: not wrong_role(s, e) and enabled(s, e),
            )
        )
    return rules


def _note(s: ConfigurationState, interpretation: str, first: bool) -> ConfigurationState:
    """The first reading of an interpretation was seen, or the second."""
    return s._replace(assumed=(f"{interpretation}:{'R1' if first else 'R2'}",))


def _note_a08(s: ConfigurationState, status: int) -> ConfigurationState:
    reading = "R3" if is_success(status) else "R1" if status == STATUS_INVALID_PARAMETER_1 else "R2"
    return s._replace(assumed=(f"A08:{reading}",))


def _note_choice(
    s: ConfigurationState, apply: Sequence[int | None], status: int
) -> ConfigurationState:
    """Where several refusals apply, the code shows whether the first one counts (A10)."""
    if len({*apply}) < 2:
        return s
    return s._replace(assumed=("A10:R1" if status == apply[0] else "A10:R2",))


def _note_told(
    before: ConfigurationState, s: ConfigurationState, e: Any, undecided: bool
) -> ConfigurationState:
    """A setting that comes after PnpFailure shows whether the channel is disabled (A52)."""
    if not call_of(before, e)[3] == before.stance == "told" or undecided:
        return s
    if is_success(e.status):
        return s._replace(assumed=("A52/state-afterwards:R2",))
    late = e.status == STATUS_INVALID_PARAMETER_1
    return s._replace(assumed=("A52/state-afterwards:R1",)) if late else s


def _tightens(s: ConfigurationState, e: Any) -> bool:
    """A setting that leaves a ring too small for a maximal packet may be refused (A21)."""
    if e.function not in (_PAGES, _MAXIMUM):
        return False
    after = _apply(s, e)
    return s.endpoint == "client" and tightness(after.maximum, after.pages) > 0


def _note_undecided(
    before: ConfigurationState, s: ConfigurationState, e: Any, readings: tuple[str, ...]
) -> ConfigurationState:
    """Arguments that may be accepted or refused were."""
    accepted = is_success(e.status)
    if _tightens(before, e):
        return s if accepted else s._replace(assumed=("A21/small-counts:R1",))
    return s._replace(assumed=readings[:1] if accepted else readings[1:])


def _apply(s: ConfigurationState, e: Any) -> ConfigurationState:
    """The returning setter has been accepted."""
    _, function, arguments, *_ = call_of(s, e)
    s = s._replace(done=s.done | {function})
    if function == _MAXIMUM:
        return s._replace(maximum=arguments[0])
    if function == "VmbClientChannelInitSetTargetPnp":
        return s._replace(hears=bool(arguments[2]))
    if function == _PAGES:
        return s._replace(pages=arguments)
    if function == "VmbChannelInitSetProcessPacketCallbacks":
        return s._replace(reports=arguments[1])
    return s
