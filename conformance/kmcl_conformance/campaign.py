"""A certification campaign: sequences until the budget is used up, then verdicts.

The directed sequences come first, then seeded walks. A failing sequence is repeated, cut down where
it comes back, and saved at once as a case and a trace. What does not come back is kept as well, and
is no verdict. The same seed, version and options give the same sequences and verdicts.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from kmcl_adapters import Adapter, Description, Housed
from kmcl_model.case import CaseError
from kmcl_model.events import Call
from kmcl_model.stimuli import Invoke, Stimulus
from kmcl_model.trace import TraceError
from kmcl_reports.results import Certificate

from .coverage import Hits, Seen, Witnesses, chart_coverage, reaction_of, seen
from .examining import CONFIRMATIONS, Again, Examined, examine, is_steady
from .found import Found
from .generate.expected import culprits
from .giving_up import Losses
from .guilt import guilt
from .keeping import CampaignError, Unwritten, dump, read_state, restore, write_state
from .options import BUDGETS, ELSEWHERE, Options
from .profiles import PROFILES
from .saving import case_of, file_name, remove, save
from .sequence import Outcome, TimeIsUp, replay, signature
from .stopping import Interrupted, stopping
from .track import Pair
from .verdicts import certificate

__all__ = [
    "BUDGETS",
    "ELSEWHERE",
    "Campaign",
    "CampaignError",
    "Options",
    "Progress",
    "Unwritten",
    "begin",
    "certify",
    "written",
]

KEPT_EVERY: Final = 5.0
"""Seconds after which a campaign writes down where it stands."""
MOST_FAILURES: Final = 12
"""So many different ones are examined and kept, and so many that did not come back."""
MOST_EXAMINED: Final = 3
"""A failure that does not come back is examined again when another sequence shows it, so often."""


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
        self.unconfirmed: dict[str, Found] = {}
        """Failures that did not come back often enough, by what makes them the same."""
        self.forgotten = 0
        """So many of them came back later, with another sequence."""
        self.unsure: set[str] = set()
        """What a sequence broke that was not confirmed or not examined any more."""
        self.warnings: dict[str, str] = {}
        """Calls inside callbacks that were only expected to work and did not, with what failed."""
        self.losses = Losses()
        self.inconclusive = 0
        self.steps = self.events = self.done = 0
        self.reactions: set[str] = set()
        self.faults: Counter[str] = Counter()
        """What was done wrong on purpose, by the names of the faults."""
        self.asked: set[str] = set()
        self.answered: set[str] = set()
        self._unwritten: list[str] = []
        self._unkept = ""
        self.version = version("kmcl-conformance")
        self.earlier = Seen(Counter(), Counter(), Counter())
        """What was seen before a resume."""
        self.seconds_earlier = 0.0
        self._began = time.perf_counter()
        if kept:
            restore(self, kept)

    @property
    def seconds(self) -> float:
        """How long it has run, before a resume as well."""
        return self.seconds_earlier + time.perf_counter() - self._began

    @property
    def total(self) -> int:
        """All sequences of this campaign."""
        return self.plan.directed + self.options.sequences

    def run(self) -> Iterator[Progress]:
        """Run what is left, one sequence at a time, until there is no sense in going on."""
        kept_at = time.perf_counter()
        while self.done < self.total and self.losses.why is None:
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
        self.losses.note(outcome, directed=number < self.plan.directed)
        if outcome.failure is None or self._warn(outcome):
            return
        key = signature(outcome)
        found = self.found.get(key)
        if found is None and len(self.found) < MOST_FAILURES:
            try:
                found = self._examine(key, name, outcome)
            except KeyboardInterrupt:  # it was seen all the same
                self.inconclusive += 1
                self._set_aside(key, name, Examined(outcome, 0, 0), b"")
                self._blame(outcome, None)
                raise
            self.inconclusive += found is None
        self._blame(outcome, found)
        if found is not None:
            self._blame_fault(name, outcome)

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
        for id in outcome.failure.requirements:
            if found is not None and id in outcome.failure.doubtful and id not in shown:
                continue  # the same may come without the fault
            if found is not None and (self._is_steady or id in shown):
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
            self.broken.update(dict.fromkeys(left, found.file))

    def _note_calls(self, outcome: Outcome) -> None:
        if outcome.failure is None:  # after one, calls are not made, or not looked at
            self.asked.update(s.function for s in outcome.stimuli if isinstance(s, Invoke))
        for event in outcome.events:
            if not isinstance(event, Call):
                continue
            self.answered.add(event.function)
            if reaction := reaction_of(event):
                self.reactions.add(reaction)

    def not_offered(self) -> frozenset[str]:
        """Functions that it says it has not, or that were asked for, and that were never called."""
        return frozenset((self.asked | self.description.not_offered) - self.answered)

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
        """Repeat it and keep it: as a failure, or, where it did not come back often enough, among
        those that are none. Then it gives None."""
        aside = self.unconfirmed.get(key)
        if aside is not None and aside.times >= MOST_EXAMINED:
            self._set_aside(key, name, Examined(outcome, 0, 0), b"")
            return None
        words, again = self._last_words(), self._again()
        examined = examine(outcome, again, steady=self._is_steady, is_more=is_more)
        if not examined.counts:
            self._set_aside(key, name, examined, words)
            return None
        if examined.outcome is not outcome:
            words = self._last_words()  # of the run that was just played
        if aside is not None:  # this stands for it now
            self._forget(key)
        found = Found(file_name(len(self.found) + 1, key), name, *examined, words)
        self.found[key] = found
        self._save(found)
        return found

    def _set_aside(self, key: str, name: str, examined: Examined, words: bytes) -> None:
        """It is no failure: what is known of it is kept, and no verdict."""
        aside = self.unconfirmed.get(key)
        if aside is not None:
            self.unconfirmed[key] = aside._replace(
                confirmed=aside.confirmed + examined.confirmed,
                attempts=aside.attempts + examined.attempts,
                times=aside.times + 1,
            )
        elif len(self.unconfirmed) < MOST_FAILURES:
            number = 1 + len(self.unconfirmed) + self.forgotten
            found = Found(file_name(number, key, counts=False), name, *examined, words)
            self.unconfirmed[key] = found
            self._save(found)

    def _forget(self, key: str) -> None:
        self.forgotten += 1
        aside = self.unconfirmed.pop(key)
        if self.options.out is not None:
            remove(self.options.out, aside.file)

    def _last_words(self) -> bytes:
        """What was said last where the implementation runs, if anybody keeps that."""
        return self.adapter.lab.last_words() if isinstance(self.adapter, Housed) else b""

    def _again(self) -> Again:
        fresh = self.profile.specification()

        def again(stimuli: Sequence[Stimulus]) -> Outcome:
            return replay(self.adapter, fresh, stimuli, slowly=True, enough=self.enough)

        return again

    @property
    def _is_steady(self) -> bool:
        return is_steady(self.description)

    def _save(self, found: Found) -> None:
        o = self.options
        if o.out is not None:
            case = case_of(found, o.adapter, o.profile, o.seed, self.version)
            try:
                save(o.out, found, case, self.description)
            except CampaignError as error:  # what was found is told all the same
                self._unwritten.append(str(error))

    def keep(self) -> None:
        """Write down where the campaign stands, so that ``--resume`` can go on from there, if that
        can be written."""
        self._unkept = ""
        if self.options.out is not None:
            try:
                write_state(self.options.out, dump(self))
            except CampaignError as error:
                self._unkept = str(error)

    @property
    def unwritten(self) -> str:
        """The first file that could not be written, why, and how many more; else nothing."""
        every = [*self._unwritten, *([self._unkept] if self._unkept else [])]
        more = f", and {len(every) - 1} more could not be written" if len(every) > 1 else ""
        return f"{every[0]}{more}" if every else ""


def begin(adapter: Adapter, options: Options) -> Campaign:
    """A new campaign, or the one to be resumed, written down. Raises CampaignError where there is
    none, or where nothing can be written."""
    kept = read_state(options.out) if options.resume and options.out is not None else None
    try:
        campaign = Campaign(adapter, options, kept)
    except (KeyError, ValueError, TypeError, OSError, CaseError, TraceError) as error:
        raise CampaignError(f"{options.out}: cannot be resumed: {error}; start again") from None
    campaign.keep()
    if campaign.unwritten:
        raise CampaignError(campaign.unwritten)
    return campaign


def certify(
    adapter: Adapter,
    options: Options,
    report: Callable[[Progress], None] = lambda _p: None,
    run: Callable[[Campaign], Iterator[Progress]] = Campaign.run,
) -> Certificate:
    """Run a campaign to its end, as ``run`` does it, and give its certificate.

    ``report`` hears of every sequence. On Ctrl-C what was found is kept in ``options.out``, and
    Interrupted has its certificate. Raises CampaignError where the options cannot be met, Unwritten
    at the end where not everything could be written.
    """
    campaign = begin(adapter, options)
    with stopping() as asked:
        for progress in run(campaign):
            report(progress)
            if asked[0]:
                campaign.keep()
                raise Interrupted(certificate(campaign), campaign.unwritten)
    campaign.keep()
    return written(campaign)


def written(campaign: Campaign) -> Certificate:
    """The certificate of a campaign. Raises Unwritten where not everything could be written."""
    found = certificate(campaign)
    if campaign.unwritten:
        raise Unwritten(found, campaign.unwritten)
    return found
