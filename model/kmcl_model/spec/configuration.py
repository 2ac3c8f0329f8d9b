"""The configuration of a channel: which call is accepted when, and with what status.

Every setter goes by one row: which arguments are refused with which status, what an enabled channel
answers (A06, A08), and which role may call it (A09). Where several refusals apply, any of them will
do (A10).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from kmcl_model.events import Argument, Call, Event, Return
from kmcl_model.status import (
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    is_success,
)

from .observer import Due, Need, Rule, Rules, Shadow, need

__all__ = [
    "CONFIGURATION",
    "SETTERS",
    "ConfigurationState",
    "Limits",
    "Refusal",
    "Setter",
    "initial",
]

POINTER_SIZE = 8


class Refusal(NamedTuple):
    """Arguments for which ``when`` holds are refused with ``status`` (None: any error)."""

    when: Callable[[tuple[Any, ...]], bool]
    status: int | None
    requirements: str
    words: str


class Setter(NamedTuple):
    """How one setter answers. ``enabled``: the requirements that make an enabled channel answer
    STATUS_INVALID_PARAMETER_1; empty where no page promises the code (A08)."""

    function: str
    accepted: str
    enabled: str = ""
    role: str = "both"
    role_requirements: str = ""
    refusals: tuple[Refusal, ...] = ()
    undecided: Callable[[tuple[Any, ...]], bool] = lambda _arguments: False


_P2, _P3 = STATUS_INVALID_PARAMETER_2, STATUS_INVALID_PARAMETER_3

SETTERS: tuple[Setter, ...] = (
    Setter(
        "VmbChannelInitSetClientContextSize", "F147 F200 F199", undecided=lambda a: a[0] == 0
    ),  # A22
    Setter(
        "VmbChannelInitSetFlags",
        "F147 F201",
        "F202",
        refusals=(Refusal(lambda a: bool(a[0] & 0x80000000), _P2, "F203", "undefined bits"),),
        undecided=lambda a: bool(a[0] & ~0x80000001),  # A15
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
    ),  # A17
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
    ),  # A21
    Setter(
        "VmbClientChannelInitSetTargetPnp",
        "F147",
        "F359",
        role="client",
        role_requirements="F144",
    ),
    Setter(
        "VmbServerChannelInitSetFlags",
        "F147",
        "F418",
        role="server",
        role_requirements="F417 F144",
        refusals=(Refusal(lambda a: bool(a[0] & 0x80000000), _P2, "F419", "undefined bits"),),
        undecided=lambda a: bool(a[0] & ~0x8000001F),  # A15
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
        undecided=lambda a: a[0] == 0 and a[1] != 0,  # A26
    ),
    Setter(
        "VmbServerChannelInitSetSaveRestorePacketCallbacks",
        "F147",
        "F429",
        role="server",
        role_requirements="F144",
        undecided=lambda a: not all(a),
    ),  # A144
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
        undecided=lambda a: a[0] not in (0, 255),  # A25
    ),
    Setter(
        "VmbServerChannelInitSetVmbusHandle", "F147 F444", role="server", role_requirements="F144"
    ),
)


class Limits(NamedTuple):
    """What the packets of a channel need to know of its configuration."""

    maximum: int
    reports: bool


class ConfigurationState(NamedTuple):
    """``calls``: caller, function and arguments of the calls in progress; ``settled`` tells whether
    the channel was disabled, was not, or was in between since the call began; ``done``: the
    settings that were accepted."""

    endpoint: str
    stance: str = "disabled"
    calls: tuple[tuple[str, str, tuple[Argument, ...], str], ...] = ()
    pointer: int | None = None
    maximum: int = 0
    reports: bool = False
    done: frozenset[str] = frozenset()
    assumed: tuple[str, ...] = ()


State = ConfigurationState


def initial(endpoint: str) -> ConfigurationState:
    """Nothing configured; the pointer of a new channel is null (A120)."""
    return ConfigurationState(endpoint)


def _begin(s: State, e: Event) -> State:
    assert isinstance(e, Call)
    return s._replace(calls=(*s.calls, (e.by, e.function, e.arguments, s.stance)))


def _call(s: State, e: Any) -> tuple[str, str, tuple[Any, ...], str]:
    return next((c for c in s.calls if c[0] == e.by), ("", "", (), ""))


def _end(s: State, e: Event) -> State:
    assert isinstance(e, Return)
    return s._replace(calls=tuple(c for c in s.calls if c[0] != e.by))


def _rules_of(setter: Setter) -> list[Rule]:
    """The call, then one rule for each situation in which it can return."""
    returned = ("return", setter.function)

    def wrong_role(s: State, e: Any) -> bool:
        return setter.role not in ("both", s.endpoint)

    def enabled(s: State, e: Any) -> bool:
        return _call(s, e)[3] == s.stance == "enabled"

    def between(s: State, e: Any) -> bool:
        return not _call(s, e)[3] == s.stance in ("enabled", "disabled")

    def bad(s: State, e: Any) -> list[Refusal]:
        return [r for r in setter.refusals if r.when(_call(s, e)[2])]

    def not_disabled(s: State, e: Any) -> bool:
        return enabled(s, e) or between(s, e)

    def undecided(s: State, e: Any) -> bool:
        return setter.undecided(_call(s, e)[2])

    def fails(e: Any, *statuses: int | None) -> bool:
        return not is_success(e.status) and (None in statuses or e.status in statuses)

    def repeated(s: State, e: Any) -> bool:
        return setter.function in s.done and not is_success(e.status)

    def good(s: State, e: Any) -> bool:
        if repeated(s, e):
            return False
        return not (
            wrong_role(s, e) or enabled(s, e) or between(s, e) or bad(s, e) or undecided(s, e)
        )

    rules = [
        Rule(f"CF-{setter.function}", ("call", setter.function), (), _begin),
        Rule(
            f"CF-{setter.function}-between",
            returned,
            (),
            lambda s, e: _end(_apply(s, e) if is_success(e.status) else s, e),
            when=lambda s, e: between(s, e) and not wrong_role(s, e),
        ),
        Rule(
            f"CF-{setter.function}-accepted",
            returned,
            (
                need(
                    "a valid setting of a disabled channel succeeds",
                    setter.accepted,
                    lambda s, e: e.status == 0,
                ),
            ),
            lambda s, e: _end(_apply(s, e), e),
            when=good,
        ),
        # Configuration may be once only (A29).
        Rule(
            f"CF-{setter.function}-repeated",
            returned,
            (),
            lambda s, e: _end(s, e)._replace(assumed=() if bad(s, e) else ("A29:R2",)),
            when=lambda s, e: repeated(s, e) and not (wrong_role(s, e) or not_disabled(s, e)),
        ),
        Rule(
            f"CF-{setter.function}-undecided",
            returned,
            (),
            lambda s, e: _end(_apply(s, e) if is_success(e.status) else s, e),
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
                lambda s, e: _note(_end(s, e), "A09", e.status == STATUS_INVALID_PARAMETER_1),
                when=wrong_role,
            )
        )
    for refusal in setter.refusals:
        rules.append(
            Rule(
                f"CF-{setter.function}-{refusal.requirements.split()[0]}",
                returned,
                (_refusal_need(refusal, setter, fails, bad, enabled),),
                _end,
                when=_situation(refusal, wrong_role, bad, not_disabled),
            )
        )
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
                _end,
                when=lambda s, e: not wrong_role(s, e) and enabled(s, e),
            )
        )
    else:
        rules.append(
            Rule(
                f"CF-{setter.function}-enabled",
                returned,
                (),
                lambda s, e: _note_a08(_end(s, e), e.status),
                when=lambda s, e: not wrong_role(s, e) and enabled(s, e),
            )
        )
    return rules


def _situation(refusal: Refusal, wrong_role: Any, bad: Any, not_disabled: Any) -> Any:
    return lambda s, e: refusal in bad(s, e) and not (wrong_role(s, e) or not_disabled(s, e))


def _refusal_need(refusal: Refusal, setter: Setter, fails: Any, bad: Any, enabled: Any) -> Need:
    return need(
        f"{refusal.words} is refused",
        refusal.requirements,
        lambda s, e: fails(e, *(r.status for r in bad(s, e))),
    )


def _note(s: State, interpretation: str, first: bool) -> State:
    return s._replace(assumed=(f"{interpretation}:{'R1' if first else 'R2'}",))


def _note_a08(s: State, status: int) -> State:
    reading = "R3" if is_success(status) else "R1" if status == STATUS_INVALID_PARAMETER_1 else "R2"
    return s._replace(assumed=(f"A08:{reading}",))


def _note_a21(s: State, e: Any) -> State:
    if e.function != "VmbClientChannelInitSetRingBufferPageCount":
        return s
    return s._replace(assumed=(f"A21/zero-pages:{'R2' if is_success(e.status) else 'R1'}",))


def _apply(s: State, e: Any) -> State:
    _, function, arguments, _ = _call(s, e)
    s = s._replace(done=s.done | {function})
    if function == "VmbChannelInitSetMaximumPacketSize":
        return s._replace(maximum=arguments[0])
    if function == "VmbChannelInitSetProcessPacketCallbacks":
        return s._replace(reports=arguments[1])
    return s


_OTHERS = (
    Rule(
        "CF-set-pointer",
        ("call", "VmbChannelSetPointer"),
        (),
        lambda s, e: _begin(s, e)._replace(pointer=e.arguments[0]),
    ),
    Rule("CF-pointer-set", ("return", "VmbChannelSetPointer"), (), _end),
    Rule("CF-get-pointer", ("call", "VmbChannelGetPointer"), (), _begin),
    Rule(
        "CF-got-pointer",
        ("return", "VmbChannelGetPointer"),
        (
            need(
                "the channel keeps the pointer it was given",
                "F196 F197 F337",
                lambda s, e: e.outputs[0] == s.pointer or s.pointer is None,
            ),
        ),
        _end,
    ),
    Rule("CF-sizeof", ("call", "VmbChannelSizeofPacket"), (), _begin),
    Rule(
        "CF-sized",
        ("return", "VmbChannelSizeofPacket"),
        (
            need(
                "a packet takes more than a maximal packet and a pointer",
                "F344 A115",
                lambda s, e: e.outputs[0] > s.maximum + POINTER_SIZE,
            ),
        ),
        _end,
    ),
    Rule("CF-phase", ("phase", ""), (), lambda s, e: _hear(s, e)),
    Rule("CF-cleaned", ("return", "VmbChannelCleanup"), (), lambda s, e: initial(s.endpoint)),
)


def _hear(s: State, e: Shadow) -> State:
    phases: Any = e.states
    apart = [p.connection in ("none", "disabled") for p in phases]
    if any(p.leaving or p.connection == "rejected" for p in phases) or any(apart) > all(apart):
        stance = "between"
    elif all(apart):
        stance = "disabled"
    else:
        stance = "enabled"
    calls = tuple((*c[:3], c[3] if c[3] == stance else "between") for c in s.calls)
    return s._replace(stance=stance, calls=calls)


CONFIGURATION = Rules(
    name="configuration",
    rules=(*(rule for setter in SETTERS for rule in _rules_of(setter)), *_OTHERS),
    dues=(
        Due(
            "CF-due-return",
            "the return of a configuration call",
            ("F147",),
            lambda s, q: bool(s.calls),
        ),
    ),
    summary=lambda s: Limits(s.maximum, s.reports),
)
"""The rules of configuration calls, channel pointer and packet size."""
