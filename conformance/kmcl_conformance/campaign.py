"""A certification campaign: sequences until the budget is used up, then verdicts.

The directed sequences come first, then seeded walks. A failing sequence is confirmed where the
implementation may behave differently from run to run, cut down, and saved at once as a case and
a trace. The same seed, version and options give the same sequences and verdicts.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from kmcl_adapters import Adapter, Description
from kmcl_model.api import CALLBACKS
from kmcl_model.case import Case, CaseError, Expectation
from kmcl_model.events import Call
from kmcl_model.stimuli import Invoke, Stimulus
from kmcl_model.trace import TraceError, dump_trace
from kmcl_reports.results import Certificate

from .adapters import origin_of
from .coverage import Hits, Seen, Witnesses, chart_coverage, seen
from .examining import CONFIRMATIONS, Again, examine, rests_on_silence
from .generate.expected import culprits
from .guilt import guilt
from .keeping import CampaignError, dump, read_state, restore, write_state
from .plan import LENGTH, Plan
from .profiles import FULL, PROFILES
from .sequence import Outcome, TimeIsUp, replay, signature
from .stopping import stopping
from .track import Pair
from .verdicts import Found, certificate

__all__ = [
    "BUDGETS",
    "ELSEWHERE",
    "Campaign",
    "CampaignError",
    "Options",
    "Progress",
    "begin",
    "certify",
]

BUDGETS: Final = {"small": 300, "default": 3500, "large": 30_000}
"""Sequences, by the name of the budget, for an implementation inside this process."""

ELSEWHERE: Final = 10
"""An implementation in another process gets the budget divided by this."""

KEPT_EVERY: Final = 5.0
"""Seconds after which a campaign writes down where it stands."""
MOST_FAILURES: Final = 12

_CALLBACK_OF: Final = {
    name.removeprefix("EvtVmbChannel").removeprefix("EvtVmbPacket").removeprefix("EvtChannel"): name
    for name in CALLBACKS
}


class Options(NamedTuple):
    """What to run: ``sequences`` of ``length`` steps; ``out`` takes what is found, as it is found.

    ``resume``: go on with what ``out`` holds. ``faults``: what walks may do wrong, None for all.
    ``expected``: callbacks also make calls that are only expected to work in them (A147).
    """

    adapter: str = "reference"
    profile: str = FULL
    seed: int = 1
    sequences: int = BUDGETS["default"]
    length: int = LENGTH
    out: Path | None = None
    resume: bool = False
    faults: tuple[str, ...] | None = None
    expected: bool = False

    def plan(self) -> Plan:
        """The sequences these options ask for."""
        profile = PROFILES[self.profile]
        what = (profile.ends, profile.subject, profile.host)
        return Plan(self.seed, self.length, self.chosen_faults, self.expected, *what)

    @property
    def chosen_faults(self) -> tuple[str, ...]:
        """What walks may do wrong."""
        return PROFILES[self.profile].subject.faults if self.faults is None else self.faults


class Progress(NamedTuple):
    """How far a campaign is: sequences done of all, and what they came to."""

    done: int
    total: int
    steps: int
    failures: int
    requirements: int


class Campaign:
    """The state of a campaign; ``run`` yields after every sequence. ``enough`` says when time is
    up: a failure is neither confirmed nor cut down any more then."""

    def __init__(
        self, adapter: Adapter, options: Options, kept: dict[str, Any] | None = None
    ) -> None:
        self.adapter = adapter
        self.enough: Callable[[], bool] = lambda: False
        self.options = options
        self.description: Description = adapter.describe()
        self.plan = options.plan()
        self.profile = PROFILES[options.profile]
        self.subject = self.profile.subject
        self.ends = self.profile.ends
        self.specification = self.profile.specification()
        self.pairs: set[Pair] = set()
        self.witnesses = Witnesses(self.specification)
        self.found: dict[str, Found] = {}
        self.broken: dict[str, str] = {}
        """What any sequence broke, by id, with the file of the failure that stands for it."""
        self.unsure: set[str] = set()
        """What a sequence broke that was not confirmed or not examined any more."""
        self.warnings: dict[str, str] = {}
        """Calls inside callbacks that were only expected to work and did not, with what failed."""
        self.inconclusive = 0
        self.steps = self.events = self.done = 0
        self.reactions: set[str] = set()
        self.faults: Counter[str] = Counter()
        """What was done wrong on purpose, by the names of the faults."""
        self.asked: set[str] = set()
        self.answered: set[str] = set()
        self.version = version("kmcl-conformance")
        self.earlier = Seen(Counter(), Counter(), Counter())
        """What was seen before a resume."""
        if kept:
            restore(self, kept)

    @property
    def total(self) -> int:
        """All sequences of this campaign."""
        return self.plan.directed + self.options.sequences

    def run(self) -> Iterator[Progress]:
        """Run what is left, one sequence at a time."""
        kept_at = time.perf_counter()
        while self.done < self.total:
            self._one(self.done)
            self.done += 1
            if time.perf_counter() - kept_at > KEPT_EVERY:
                self.keep()
                kept_at = time.perf_counter()
            yield self.progress()

    def progress(self) -> Progress:
        """Where the campaign stands."""
        return Progress(
            self.done,
            self.total,
            self.steps,
            len(self.found),
            self.witnesses.exercised(self.subject.book().by_fact),
        )

    def _one(self, number: int) -> None:
        outcome, name = self.plan.run(number, self.adapter, self.specification, self.pairs)
        self.steps += outcome.steps
        self.events += len(outcome.events)
        self.witnesses.update(name, outcome.steps, directed=number < self.plan.directed)
        self._note_calls(outcome)
        self.faults.update(dict(outcome.faults))
        self.inconclusive += not outcome.finished
        if outcome.failure is None or self._warn(outcome):
            return
        key = signature(outcome)
        found = self.found.get(key)
        if found is None and len(self.found) < MOST_FAILURES:
            try:
                found = self._examine(key, name, outcome)
            except KeyboardInterrupt:  # it was seen all the same
                self.inconclusive += 1
                self._blame(outcome, None)
                raise
            if found is None:
                self.inconclusive += 1
            else:
                self._keep(key, found)
        self._blame(outcome, found)
        if found is not None:
            self._blame_fault(name, outcome)

    def _keep(self, key: str, found: Found) -> None:
        self.found[key] = found
        self._save(found)

    def _warn(self, outcome: Outcome) -> bool:
        """Whether it fails only with calls that are no more than expected to work (A147)."""
        if not self.options.expected or outcome.failure is None:
            return False
        fresh = self.profile.specification()
        times = 1 if self._is_steady else CONFIRMATIONS

        def fails(stimuli: Sequence[Stimulus]) -> bool:
            return any(replay(self.adapter, fresh, stimuli).failure for _ in range(times))

        if not fails(outcome.stimuli):
            return False  # it did not come back, so that it stays away without a call means nothing
        cells = culprits(outcome.stimuli, fails)
        for function, callback in cells:
            words = "; ".join(broken.words for broken in outcome.failure.broken)
            self.warnings.setdefault(f"{function} in {callback}", words)
        return bool(cells)

    def _blame(self, outcome: Outcome, found: Found | None) -> None:
        """One rule can break now these requirements, now others: none of them may pass."""
        assert outcome.failure is not None
        shown: set[str] = set()
        if found is not None and found.outcome.failure is not None:
            shown.update(found.outcome.failure.requirements)
            self.broken.update((id, found.file) for id in shown if id not in self.broken)
        certain = self._is_steady or not self._guesses(outcome)
        for id in outcome.failure.requirements:
            if found is not None and id in outcome.failure.doubtful and id not in shown:
                continue  # the same may come without the fault
            if found is not None and (certain or id in shown):
                self.broken.setdefault(id, found.file)
            else:
                self.unsure.add(id)

    def _blame_fault(self, name: str, outcome: Outcome) -> None:
        """A failure that is known came right after a fault. Where it does not come without that, it
        is one of its own; what the fault endangers may not pass unless that is known."""
        assert outcome.failure is not None
        left = outcome.failure.doubtful - self.broken.keys()
        key = f"{signature(outcome)} after {outcome.failure.fault}"
        is_guilty = guilt(left, self._again(), steady=self._is_steady)
        found: Found | None = None
        before = set(self.unsure)
        self.unsure |= left  # whatever interrupts us
        with suppress(TimeIsUp):
            if not is_guilty(outcome):
                self.unsure = before
                return
            if len(self.found) < MOST_FAILURES:
                found = self._examine(key, name, outcome, is_guilty)
        if found is None:
            self.inconclusive += 1
        else:
            self.unsure = before
            self._keep(key, found)
            self.broken.update(dict.fromkeys(left, found.file))

    def _note_calls(self, outcome: Outcome) -> None:
        self.asked.update(s.function for s in outcome.stimuli if isinstance(s, Invoke))
        for event in outcome.events:
            if not isinstance(event, Call):
                continue
            self.answered.add(event.function)
            if event.by[0] != "t":
                callback = _CALLBACK_OF.get(event.by.split(".")[0])
                if callback is not None:
                    self.reactions.add(f"{event.endpoint}: {event.function} in {callback}")

    def not_offered(self) -> frozenset[str]:
        """Functions that were asked for and never called: the implementation has none such."""
        return frozenset(self.asked - self.answered)

    # What was seen, here and before a resume

    def witness_counts(self) -> Counter[str]:
        """Witnesses by requirement id."""
        return seen(self.specification).requirements + self.earlier.requirements

    def reading_counts(self) -> Counter[str]:
        """How often each reading was shown."""
        return seen(self.specification).readings + self.earlier.readings

    def coverage(self) -> dict[str, Hits]:
        """Of the charts: what was hit, and all there is."""
        moves = seen(self.specification).moves + self.earlier.moves
        return chart_coverage(set(moves), self.pairs, self.ends, self.subject.charts)

    def command(self) -> str:
        """The command that runs this campaign again."""
        o = self.options
        return (
            f"kmcl certify --adapter {shlex.quote(o.adapter)} --profile {o.profile} "
            f"--seed {o.seed} --budget {o.sequences}{' --expected-calls' if o.expected else ''}"
        )

    def _examine(
        self,
        key: str,
        name: str,
        outcome: Outcome,
        is_more: Callable[[Outcome], bool] = lambda _: True,
    ) -> Found | None:
        """Confirm and cut down; None where the failure did not come back."""
        again, steady, guesses = self._again(), self._is_steady, self._guesses
        examined = examine(outcome, again, steady=steady, guesses=guesses, is_more=is_more)
        return None if examined is None else Found(self._file(key), name, *examined)

    def _again(self) -> Again:
        fresh = self.profile.specification()

        def again(stimuli: Sequence[Stimulus]) -> Outcome:
            return replay(self.adapter, fresh, stimuli, slowly=True, enough=self.enough)

        return again

    @property
    def _is_steady(self) -> bool:
        return "schedulable" in self.description.capabilities

    def _guesses(self, outcome: Outcome) -> bool:
        """See ``examining.rests_on_silence``."""
        return rests_on_silence(outcome, self.profile.specification)

    def _file(self, key: str) -> str:
        return f"{len(self.found) + 1:02d}-{_file_name(key)}"

    def _save(self, found: Found) -> None:
        out = self.options.out
        if out is None or found.outcome.failure is None:
            return
        try:
            (out / "cases").mkdir(parents=True, exist_ok=True)
            (out / "traces").mkdir(exist_ok=True)
            self.case(found).save(out / "cases" / f"{found.file}.json")
            trace = out / "traces" / f"{found.file}.jsonl"
            trace.write_text(dump_trace(found.outcome.events, origin_of(self.description)), "utf-8")
        except OSError as error:
            raise CampaignError(f"{out}: {error.strerror}; choose a folder you can write") from None

    def case(self, found: Found) -> Case:
        """The failure as a case that ``kmcl replay`` runs again."""
        failure = found.outcome.failure
        assert failure is not None
        lost = failure.observer == "implementation"
        return Case(
            name=found.file,
            adapter=self.options.adapter,
            profile=self.options.profile,
            seed=self.options.seed,
            tool=self.version,
            note="; ".join(failure.words),
            expect=Expectation(
                verdict="lost" if lost else "violation",
                requirements=failure.requirements,
                event=str(failure.number),
            ),
            stimuli=found.outcome.stimuli,
        )

    def keep(self) -> None:
        """Write down where the campaign stands, so that ``--resume`` can go on from there."""
        if self.options.out is not None:
            write_state(self.options.out, dump(self))


def _file_name(key: str) -> str:
    return "".join(c if c.isalnum() or c == "-" else "-" for c in key.lower()).strip("-")[:60]


def begin(adapter: Adapter, options: Options) -> Campaign:
    """A new campaign, or the one to be resumed. Raises CampaignError where there is none."""
    kept = read_state(options.out) if options.resume and options.out is not None else None
    try:
        return Campaign(adapter, options, kept)
    except (KeyError, ValueError, TypeError, OSError, CaseError, TraceError) as error:
        raise CampaignError(f"{options.out}: cannot be resumed: {error}; start again") from None


def certify(
    adapter: Adapter,
    options: Options,
    report: Callable[[Progress], None] = lambda _p: None,
    run: Callable[[Campaign], Iterator[Progress]] = Campaign.run,
) -> Certificate:
    """Run a campaign to its end, as ``run`` does it, and give its certificate.

    ``report`` hears of every sequence. On Ctrl-C what was found is kept in ``options.out`` and
    KeyboardInterrupt goes on. Raises CampaignError where the options cannot be met.
    """
    campaign = begin(adapter, options)
    started = time.perf_counter()
    campaign.keep()
    with stopping() as asked:
        for progress in run(campaign):
            report(progress)
            if asked[0]:
                campaign.keep()
                raise KeyboardInterrupt
    campaign.keep()
    return certificate(campaign, time.perf_counter() - started)
