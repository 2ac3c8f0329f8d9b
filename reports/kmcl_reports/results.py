"""What a certification run found: the types behind ``certificate.json``.

Frozen pydantic models, validated at the boundary. The rules a certificate cannot break are
checked here, so that no renderer and no reader has to: a requirement passes only with a
witness, a statement carries its own hash, nothing conforms without having been run.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from .sequence import ChartRow
from .text import well_formed

__all__ = [
    "LOG_LIMIT",
    "Certificate",
    "Confirmation",
    "Counts",
    "Coverage",
    "CoverageItem",
    "Failure",
    "FaultResult",
    "Implementation",
    "InterpretationResult",
    "Log",
    "MutantResult",
    "RequirementResult",
    "RequirementVerdict",
    "Surroundings",
    "Tool",
    "Verdict",
    "Witness",
    "overall_verdict",
    "statement_digest",
]

Text = Annotated[str, BeforeValidator(lambda v: well_formed(v) if isinstance(v, str) else v)]
"""Text that may have come from an implementation; always encodable as UTF-8."""

Names = Annotated[
    tuple[Text, ...],
    BeforeValidator(lambda v: sorted(v) if isinstance(v, set | frozenset) else v),
]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Verdict(StrEnum):
    """The outcome of a whole run."""

    CONFORMING = "conforming"
    VIOLATIONS = "violations"
    INCONCLUSIVE = "inconclusive"
    """Nothing was shown either way: no steps, no witness, or too much that was lost."""


class RequirementVerdict(StrEnum):
    """The outcome for one requirement. Only ``FAIL`` blames the implementation."""

    PASS = "pass"
    FAIL = "fail"
    NOT_EXERCISED = "not-exercised"
    """The situation in which a violation could show never arose."""
    UNOBSERVABLE = "unobservable"
    """This adapter could not have seen a violation."""
    NOT_APPLICABLE = "not-applicable"
    """It needs a capability that the implementation does not declare."""
    WAIVED = "waived"
    INCONCLUSIVE = "inconclusive"
    """A time-out or a crash of the harness came before the verdict."""


_WITH_REASON = frozenset(RequirementVerdict) - {RequirementVerdict.PASS, RequirementVerdict.FAIL}


class _Result(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
        allow_inf_nan=False,
    )


class Tool(_Result):
    """Who judged: ``model_digest`` identifies the specification that was applied."""

    name: str = "kmcl"
    version: str
    model_digest: str


class Implementation(_Result):
    """Who was judged, as its adapter describes it."""

    name: Text
    version: Text
    adapter: Text
    capabilities: Names = ()


class Counts(_Result):
    """How much was done. A step is one stimulus with its events judged.

    ``planned``: how many sequences it was to be, where a time limit or Ctrl-C came first.
    """

    sequences: NonNegativeInt
    planned: NonNegativeInt | None = None
    steps: NonNegativeInt
    events: NonNegativeInt
    wall_seconds: NonNegativeFloat = 0.0
    steps_per_second: NonNegativeFloat = 0.0


class Witness(_Result):
    """A run that exercised a requirement: a case file or the name of a sequence, and its
    length in stimuli."""

    case: Text
    steps: NonNegativeInt


class RequirementResult(_Result):
    """One requirement and its verdict.

    ``facts`` are the statements it merges; ``source`` is the page it was read off; ``rules``
    are the rules of the model that judge it; ``exercised`` counts witnesses, of which
    ``witness`` is a short one; ``case`` is the file of the shortest failure; ``kills`` names
    the defective copies of the references that it detects, in any profile, as the suite has them.
    """

    id: str
    facts: tuple[str, ...] = ()
    api: str = ""
    statement: str
    statement_sha256: Digest
    source: str
    role: Literal["both", "client", "guest", "server"] = "both"
    rules: tuple[str, ...] = ()
    verdict: RequirementVerdict
    exercised: NonNegativeInt = 0
    reason: Text | None = None
    witness: Witness | None = None
    case: str | None = None
    kills: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_earned(self) -> Self:
        if self.statement_sha256 != statement_digest(self.statement):
            raise ValueError(f"{self.id}: the hash is not that of the statement")
        if self.verdict is RequirementVerdict.PASS and not self.exercised:
            raise ValueError(f"{self.id}: passes without a witness")
        if self.verdict is RequirementVerdict.NOT_EXERCISED and self.exercised:
            raise ValueError(f"{self.id}: not exercised, yet {self.exercised} witnesses")
        if self.verdict in _WITH_REASON and not self.reason:
            raise ValueError(f"{self.id}: {self.verdict.value} needs a reason")
        return self


class InterpretationResult(_Result):
    """A question the documentation leaves open, and the way this implementation goes.

    ``point`` names the question where an interpretation asks several; ``reading`` is None where
    no run showed it; ``default`` tells that it is the reading taken by default; ``text`` puts
    it into words; ``evidence`` says where it was seen, or why it was not.
    """

    id: str
    point: str = ""
    title: str
    reading: str | None = None
    text: str = ""
    evidence: Text = ""
    default: bool = False


class CoverageItem(_Result):
    """How many of ``total`` things were hit, and the names of those that were not."""

    hit: NonNegativeInt
    total: NonNegativeInt
    missing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.hit + len(self.missing) > self.total:
            raise ValueError(f"{self.hit} hit and {len(self.missing)} missing of {self.total}")
        return self


class FaultResult(_Result):
    """Something that was done wrong on purpose: how often, how often compared with the others
    (``weight``), and the requirements that it puts to the test."""

    name: str
    words: str
    weight: PositiveInt
    played: NonNegativeInt
    endangers: tuple[str, ...]


class Coverage(_Result):
    """What of the model the run went through."""

    states: CoverageItem
    transitions: CoverageItem
    transition_pairs: CoverageItem
    reactions: CoverageItem
    faults: CoverageItem | None = Field(default=None, exclude_if=lambda it: it is None)
    """What was done wrong on purpose, where a profile has words for it."""
    fault_counts: tuple[FaultResult, ...] = Field(default=(), exclude_if=lambda them: not them)


class Confirmation(_Result):
    """The failure came back in ``confirmed`` of ``attempts`` repetitions."""

    confirmed: NonNegativeInt
    attempts: PositiveInt

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.confirmed > self.attempts:
            raise ValueError(f"confirmed {self.confirmed} of {self.attempts} times")
        return self


LOG_LIMIT: Final = 16_384
"""Characters of a log that a certificate holds at most: its end."""


class Log(_Result):
    """The end of a log; ``left_out`` counts the bytes before it."""

    name: Text
    text: Text = Field(max_length=LOG_LIMIT)
    left_out: NonNegativeInt = 0

    @classmethod
    def of(cls, name: str, data: bytes) -> Self:
        """The end of these bytes, from the beginning of a line where there is one."""
        kept = data[-LOG_LIMIT:]
        if len(kept) < len(data):
            kept = kept[kept.find(b"\n") + 1 :]
        text = kept.decode("utf-8", "replace").replace("\r", "")
        return cls(name=name, text=text, left_out=len(data) - len(kept))


class Failure(_Result):
    """One minimal failure: where the model had no explanation left.

    ``event_index`` is the place in the trace of the event that no state explains; the length
    of the trace stands for the silence after it. ``allowed`` are the events that would have
    been right, ``last_state`` the last model state that explained everything. ``case`` and
    ``trace`` are file names relative to the certificate; ``chart`` are the rows of the
    sequence chart. ``reason`` says why it is no verdict, where it is none; ``log`` is what was said
    in that run by the system in which the implementation runs.
    """

    case: str
    trace: str | None = None
    requirements: tuple[str, ...] = ()
    summary: Text
    event_index: NonNegativeInt
    allowed: tuple[Text, ...] = ()
    last_state: Text = ""
    confirmation: Confirmation | None = None
    reproduce: Text | None = None
    chart: tuple[ChartRow, ...] = ()
    reason: Text | None = Field(default=None, exclude_if=lambda it: it is None)
    log: Log | None = Field(default=None, exclude_if=lambda it: it is None)


class Surroundings(_Result):
    """What an implementation ran in: a ``kernel``, a ``host`` and ``others``, as its adapter tells
    it. ``tally``: what it counted that no event shows, in words, and how often.

    Where machines were set up for the run, ``way`` says how and why so; ``retries`` are the starts
    that were tried again, each with its reason; the logs of all ``starts`` are shown.
    """

    way: Text | None = Field(default=None, exclude_if=lambda it: it is None)
    kernel: Text | None = Field(default=None, exclude_if=lambda it: it is None)
    host: Text | None = Field(default=None, exclude_if=lambda it: it is None)
    others: tuple[Text, ...] = Field(default=(), exclude_if=lambda them: not them)
    tally: dict[Text, NonNegativeInt] = Field(default_factory=dict, exclude_if=lambda it: not it)
    starts: PositiveInt | None = Field(default=None, exclude_if=lambda it: it is None)
    retries: tuple[Text, ...] = ()
    logs: tuple[Log, ...] = ()


class Certificate(_Result):
    """Everything one run of ``kmcl certify`` found; see ``kmcl_reports.certificate``.

    ``not_offered`` are the functions that the implementation lacks, as it says or as was seen,
    ``unconfirmed`` what was seen and did not come back often enough to be a failure, ``never`` in
    words what never happened although nothing is shown without it, ``gave_up`` why the run was
    ended before its time.
    """

    format: Literal["kmcl-certificate/1"] = Field(default="kmcl-certificate/1", alias="schema")
    tool: Tool
    implementation: Implementation
    profile: str
    seed: int
    verdict: Verdict
    not_offered: tuple[str, ...] = ()
    never: tuple[Text, ...] = Field(default=(), exclude_if=lambda them: not them)
    gave_up: Text | None = Field(default=None, exclude_if=lambda it: it is None)
    counts: Counts
    requirements: tuple[RequirementResult, ...]
    interpretations: tuple[InterpretationResult, ...] = ()
    coverage: Coverage
    failures: tuple[Failure, ...] = ()
    unconfirmed: tuple[Failure, ...] = Field(default=(), exclude_if=lambda them: not them)
    reproduce: Text
    surroundings: Surroundings | None = Field(default=None, exclude_if=lambda it: it is None)
    digest: Digest | None = None
    signature: str | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ids = [requirement.id for requirement in self.requirements]
        if len(ids) != len(set(ids)):
            raise ValueError("a requirement is listed twice")
        verdicts = {requirement.verdict for requirement in self.requirements}
        broken = bool(self.failures) or RequirementVerdict.FAIL in verdicts
        if broken and self.verdict is Verdict.CONFORMING:
            raise ValueError("conforming, yet something failed")
        if self.unconfirmed and self.verdict is Verdict.CONFORMING:
            raise ValueError("conforming, yet something was seen that is not explained")
        if self.never and self.verdict is Verdict.CONFORMING:
            raise ValueError(f"conforming, yet {'; '.join(self.never)}")
        if self.gave_up and self.verdict is Verdict.CONFORMING:
            raise ValueError("conforming, yet the run was given up")
        if not all(failure.reason for failure in self.unconfirmed):
            raise ValueError("an unconfirmed failure needs a reason")
        if self.verdict is Verdict.VIOLATIONS and not broken:
            raise ValueError("violations, yet nothing failed")
        shown = self.counts.steps and RequirementVerdict.PASS in verdicts
        if self.verdict is Verdict.CONFORMING and not shown:
            raise ValueError("conforming, yet nothing was shown")
        return self


class MutantResult(_Result):
    """One row of the kill matrix: what was run until the first kill, or in all."""

    name: str
    stands_for: str
    killed: bool
    sequences: NonNegativeInt
    steps: NonNegativeInt
    requirements: tuple[str, ...] = ()


def statement_digest(statement: str) -> str:
    """The SHA-256 of a requirement's text, in hexadecimal."""
    return sha256(statement.encode()).hexdigest()


def overall_verdict(
    requirements: Iterable[RequirementResult], failures: int = 0, unsettled: int = 0
) -> Verdict:
    """The verdict of a run: one failure blames, one loss of judgement or one thing more that is not
    settled leaves it open, and without a single pass nothing was shown."""
    verdicts = {requirement.verdict for requirement in requirements}
    if failures or RequirementVerdict.FAIL in verdicts:
        return Verdict.VIOLATIONS
    if unsettled or RequirementVerdict.INCONCLUSIVE in verdicts:
        return Verdict.INCONCLUSIVE
    return Verdict.CONFORMING if RequirementVerdict.PASS in verdicts else Verdict.INCONCLUSIVE
