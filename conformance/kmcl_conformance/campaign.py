"""A certification campaign: sequences until the budget is used up, then verdicts.

The directed sequences come first, then seeded walks. A failing sequence is confirmed where the
implementation may behave differently from run to run, cut down, and saved at once as a case and
a trace. The same seed, version and options give the same sequences and verdicts.
"""

from __future__ import annotations

import json
import shlex
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

from kmcl_adapters import Adapter, Description
from kmcl_model.api import CALLBACKS
from kmcl_model.case import Case, CaseError, Expectation
from kmcl_model.spec import Move, Specification
from kmcl_model.stimuli import Stimulus
from kmcl_model.trace import TraceError, dump_trace, load_trace
from kmcl_reports.results import Certificate

from .coverage import Hits, Seen, Witnesses, chart_coverage, seen
from .generate.tours import TOURS
from .oracle import Pair, judge_trace
from .sequence import Outcome, replay, walk
from .shrink import minimise
from .verdicts import Found, certificate

__all__ = ["BUDGETS", "Campaign", "CampaignError", "Options", "Progress", "certify", "signature"]

BUDGETS: Final = {"small": 300, "default": 3500, "large": 30_000}
"""Sequences, by the name of the budget, for an implementation inside this process."""

ELSEWHERE: Final = 10
"""An implementation in another process gets the budget divided by this."""

LENGTH: Final = 80
CONFIRMATIONS: Final = 3
MOST_FAILURES: Final = 12
FAULTS: Final = ("crash", "malformed", "spurious")


_CALLBACK_OF: Final = {
    name.removeprefix("EvtVmbChannel").removeprefix("EvtVmbPacket").removeprefix("EvtChannel"): name
    for name in CALLBACKS
}


class CampaignError(Exception):
    """The campaign cannot run: one line for the user that says what to do."""


class Options(NamedTuple):
    """What to run: ``sequences`` of ``length`` steps; ``out`` takes what is found, as it is found.

    ``resume``: go on with what ``out`` holds. ``faults``: environment actions that walks may use.
    """

    adapter: str = "reference"
    profile: str = "full"
    seed: int = 1
    sequences: int = BUDGETS["default"]
    length: int = LENGTH
    out: Path | None = None
    resume: bool = False
    faults: tuple[str, ...] = FAULTS


class Progress(NamedTuple):
    """How far a campaign is: sequences done of all, and what they came to."""

    done: int
    total: int
    steps: int
    failures: int
    requirements: int


def signature(outcome: Outcome) -> str:
    """What makes two failures the same one: the observer's kind and the rules that refused."""
    failure = outcome.failure
    if failure is None:
        return ""
    kind = failure.observer.split()[1] if " " in failure.observer else failure.observer
    rules = sorted({broken.rule for broken in failure.broken})
    words = failure.broken[0].words if failure.broken[0].rule in ("-", "lost") else ""
    return " ".join([kind, *rules, words]).strip()


class Campaign:
    """The state of a campaign; ``run`` yields after every sequence."""

    def __init__(
        self, adapter: Adapter, options: Options, kept: dict[str, Any] | None = None
    ) -> None:
        self.adapter = adapter
        self.options = options
        self.description: Description = adapter.describe()
        self.specification = Specification()
        self.pairs: set[Pair] = set()
        self.witnesses = Witnesses(self.specification)
        self.found: dict[str, Found] = {}
        self.inconclusive = 0
        self.steps = self.events = self.done = 0
        self.reactions: set[str] = set()
        self.version = version("kmcl-conformance")
        self._earlier = Seen(Counter(), Counter(), Counter())
        if kept:
            self._restore(kept)

    @property
    def total(self) -> int:
        """All sequences of this campaign."""
        return len(TOURS) + self.options.sequences

    def run(self) -> Iterator[Progress]:
        """Run what is left, one sequence at a time."""
        while self.done < self.total:
            self._one(self.done)
            self.done += 1
            yield self.progress()

    def progress(self) -> Progress:
        """Where the campaign stands."""
        return Progress(
            self.done, self.total, self.steps, len(self.found), self.witnesses.exercised()
        )

    def _one(self, number: int) -> None:
        outcome, name = self._sequence(number)
        self.steps += outcome.steps
        self.events += len(outcome.events)
        self.witnesses.update(name, outcome.steps)
        self._note_reactions(outcome)
        if outcome.failure is None:
            return
        key = signature(outcome)
        if key not in self.found and len(self.found) < MOST_FAILURES:
            found = self._examine(key, name, outcome)
            if found is None:
                self.inconclusive += 1
            else:
                self.found[key] = found
                self._save(found)

    def _sequence(self, number: int) -> tuple[Outcome, str]:
        if number < len(TOURS):
            tour = TOURS[number]
            outcome = replay(self.adapter, self.specification, tour.stimuli, pairs=self.pairs)
            return outcome, tour.name
        offset = number - len(TOURS)
        capabilities = self.description.capabilities
        faults = tuple(f for f in self.options.faults if f in capabilities)
        outcome = walk(
            self.adapter,
            self.specification,
            self.options.seed * 1_000_003 + offset,
            self.options.length,
            faults=faults if offset % 4 == 0 else (),
            holds="hold" in capabilities,
            pairs=self.pairs,
        )
        return outcome, f"walk {offset}"

    def _note_reactions(self, outcome: Outcome) -> None:
        for event in outcome.events:
            if event[0] == "call" and event[2][0] != "t":
                callback = _CALLBACK_OF.get(event[2].split(".")[0])
                if callback is not None:
                    self.reactions.add(f"{event[1]}: {event[3]} in {callback}")

    # What was seen, here and before a resume

    def witness_counts(self) -> Counter[str]:
        """Witnesses by requirement id."""
        return seen(self.specification).requirements + self._earlier.requirements

    def reading_counts(self) -> Counter[str]:
        """How often each reading was shown."""
        return seen(self.specification).readings + self._earlier.readings

    def coverage(self) -> dict[str, Hits]:
        """Of the charts: what was hit, and all there is."""
        moves = seen(self.specification).moves + self._earlier.moves
        return chart_coverage(set(moves), self.pairs)

    def command(self) -> str:
        """The command that runs this campaign again."""
        o = self.options
        return (
            f"kmcl certify --adapter {shlex.quote(o.adapter)} --profile {o.profile} "
            f"--seed {o.seed} --budget {o.sequences}"
        )

    def _examine(self, key: str, name: str, outcome: Outcome) -> Found | None:
        """Confirm and cut down; None where the failure did not come back."""
        fresh = Specification()

        def fails(stimuli: Sequence[Stimulus]) -> bool:
            return signature(replay(self.adapter, fresh, stimuli)) == key

        stimuli: tuple[Stimulus, ...] = outcome.stimuli
        confirmed, attempts = 1, 1
        last = outcome.events[-1] if outcome.events else None
        if last is not None and last[0] == "lost" and last[1] == "hang":
            # Every repetition costs the watchdog's whole time limit.
            return Found(self._file(key), name, outcome, confirmed, attempts)
        deterministic = "schedulable" in self.description.capabilities
        if not deterministic:
            attempts += CONFIRMATIONS
            confirmed += sum(fails(stimuli) for _ in range(CONFIRMATIONS))
            if confirmed < 2 and outcome.events and outcome.events[-1][0] == "quiescence":
                return None
        if confirmed == attempts:
            stimuli, _ = minimise(stimuli, fails, attempts=1500 if deterministic else 60)
        shortest = replay(self.adapter, fresh, stimuli)
        if signature(shortest) != key:
            shortest = outcome
        return Found(self._file(key), name, shortest, confirmed, attempts)

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
            trace.write_text(dump_trace(found.outcome.events), encoding="utf-8")
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
            note="; ".join(broken.words for broken in failure.broken),
            expect=Expectation(
                verdict="lost" if lost else "violation",
                requirements=failure.requirements,
                event=str(failure.number),
            ),
            stimuli=found.outcome.stimuli,
        )

    # Keeping and going on -----------------------------------------------------------------

    def keep(self) -> None:
        """Write down where the campaign stands, so that ``--resume`` can go on from there."""
        out = self.options.out
        if out is None:
            return
        total = seen(self.specification)
        moves = total.moves + self._earlier.moves
        state = {
            "schema": "kmcl-campaign/1",
            **self._identity(),
            "done": self.done,
            "counts": [self.steps, self.events, self.inconclusive],
            "requirements": self.witness_counts(),
            "readings": self.reading_counts(),
            "moves": sorted([chart, rule, *move, n] for (chart, rule, move), n in moves.items()),
            "pairs": sorted([c, r1, *m1, r2, *m2] for c, (r1, m1), (r2, m2) in self.pairs),
            "witnesses": self.witnesses.dump(),
            "reactions": sorted(self.reactions),
            "found": {
                key: [f.file, f.sequence, f.confirmed, f.attempts] for key, f in self.found.items()
            },
        }
        part = out / "campaign.json.part"
        try:
            out.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(state, indent=2), encoding="utf-8")
            part.replace(out / "campaign.json")
        except OSError as error:
            raise CampaignError(f"{out}: {error.strerror}; choose a folder you can write") from None

    def _identity(self) -> dict[str, Any]:
        o = self.options
        return {
            "adapter": o.adapter,
            "profile": o.profile,
            "seed": o.seed,
            "sequences": o.sequences,
            "length": o.length,
            "faults": list(o.faults),
            "tool": self.version,
        }

    def _restore(self, kept: dict[str, Any]) -> None:
        for name, mine in self._identity().items():
            if kept.get(name) != mine:
                raise CampaignError(
                    f"{self.options.out}: was begun with {name} {kept.get(name)!r}, not {mine!r}; "
                    "resume it with the options it was begun with, or choose another folder"
                )
        self.done = int(kept["done"])
        self.steps, self.events, self.inconclusive = kept["counts"]
        self._earlier = Seen(
            Counter(kept["requirements"]),
            Counter(kept["readings"]),
            Counter({(c, r, Move(*move)): n for c, r, *move, n in kept["moves"]}),
        )
        self.pairs.update(
            (c, (r1, Move(a, b, d)), (r2, Move(e, f, g)))
            for c, r1, a, b, d, r2, e, f, g in kept["pairs"]
        )
        self.witnesses.load(kept["witnesses"])
        self.reactions.update(kept["reactions"])
        for key, (file, sequence, confirmed, attempts) in kept["found"].items():
            outcome = self._reload(file)
            self.found[key] = Found(file, sequence, outcome, confirmed, attempts)

    def _reload(self, file: str) -> Outcome:
        assert self.options.out is not None
        case = Case.load(self.options.out / "cases" / f"{file}.json")
        trace = self.options.out / "traces" / f"{file}.jsonl"
        events = tuple(load_trace(trace.read_text(encoding="utf-8")))
        judge = judge_trace(events)
        return Outcome(case.stimuli, events, judge.failure, len(case.stimuli))


def _file_name(key: str) -> str:
    return "".join(c if c.isalnum() or c == "-" else "-" for c in key.lower()).strip("-")[:60]


def _kept(options: Options) -> dict[str, Any] | None:
    if not options.resume or options.out is None:
        return None
    file = options.out / "campaign.json"
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CampaignError(f"{file}: {error.strerror}; there is nothing to resume") from None
    except ValueError:
        raise CampaignError(f"{file}: not a campaign; start again without --resume") from None
    if not isinstance(kept, dict) or kept.get("schema") != "kmcl-campaign/1":
        raise CampaignError(f"{file}: not a campaign; start again without --resume")
    return kept


@contextmanager
def _stopping() -> Iterator[list[bool]]:
    """While it lasts, Ctrl-C ends the campaign at the next sequence; a second one ends it at once.

    A sequence that is cut short would be counted in part and run again after a resume.
    """
    asked = [False]
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        if asked[0]:
            raise KeyboardInterrupt
        asked[0] = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def certify(
    adapter: Adapter, options: Options, report: Callable[[Progress], None] = lambda _p: None
) -> Certificate:
    """Run a campaign to its end and give its certificate.

    ``report`` hears of every sequence. On Ctrl-C what was found is kept in ``options.out`` and
    KeyboardInterrupt goes on. Raises CampaignError where the options cannot be met.
    """
    try:
        campaign = Campaign(adapter, options, _kept(options))
    except (KeyError, ValueError, OSError, CaseError, TraceError) as error:
        raise CampaignError(f"{options.out}: cannot be resumed: {error}; start again") from None
    started = time.perf_counter()
    kept_at = started
    campaign.keep()
    with _stopping() as asked:
        for progress in campaign.run():
            report(progress)
            now = time.perf_counter()
            if asked[0] or now - kept_at > 5:
                campaign.keep()
                kept_at = now
            if asked[0]:
                raise KeyboardInterrupt
    campaign.keep()
    return certificate(campaign, time.perf_counter() - started)
