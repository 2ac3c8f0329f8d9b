"""Writing down where a campaign stands, and going on from there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmcl_model.case import Case
from kmcl_model.spec import Move
from kmcl_model.trace import load_trace

from .coverage import Seen, seen
from .found import Found
from .sequence import Outcome
from .subjects import judge_trace

if TYPE_CHECKING:
    from kmcl_reports.results import Certificate

    from .campaign import Campaign

__all__ = [
    "CampaignError",
    "Unwritten",
    "begun_with",
    "dump",
    "read_state",
    "restore",
    "write_state",
]

SCHEMA = "kmcl-campaign/1"
FILE = "campaign.json"


class CampaignError(Exception):
    """The campaign cannot run: one line for the user that says what to do."""


class Unwritten(CampaignError):
    """Not everything could be written; ``found`` is the certificate all the same."""

    def __init__(self, found: Certificate, what: str) -> None:
        super().__init__(what)
        self.found = found


def dump(campaign: Campaign) -> dict[str, Any]:
    """Everything a campaign has seen, as JSON; cases and traces are files of their own."""
    moves = seen(campaign.specification).moves + campaign.earlier.moves
    return {
        "schema": SCHEMA,
        **_identity(campaign),
        "done": campaign.done,
        "counts": [campaign.steps, campaign.events, campaign.inconclusive],
        "losses": campaign.losses.dump(),
        "seconds": campaign.seconds,
        "requirements": campaign.witness_counts(),
        "readings": campaign.reading_counts(),
        "moves": sorted([chart, rule, *move, n] for (chart, rule, move), n in moves.items()),
        "pairs": sorted([c, r1, *m1, r2, *m2] for c, (r1, m1), (r2, m2) in campaign.pairs),
        "witnesses": campaign.witnesses.dump(),
        "reactions": sorted(campaign.reactions),
        "committed": campaign.faults,
        "asked": sorted(campaign.asked),
        "answered": sorted(campaign.answered),
        "broken": campaign.broken,
        "warnings": campaign.warnings,
        "unsure": sorted(campaign.unsure),
        "found": _kept(campaign.found),
        "unconfirmed": _kept(campaign.unconfirmed),
        "forgotten": campaign.forgotten,
    }


def _kept(found: Mapping[str, Found]) -> dict[str, Any]:
    """What is not in the files of a failure."""
    return {key: [f.file, f.sequence, f.confirmed, f.attempts, f.times] for key, f in found.items()}


def _identity(campaign: Campaign) -> dict[str, Any]:
    """What must be the same for a campaign to be resumed."""
    o = campaign.options
    return {
        "adapter": o.adapter,
        "profile": o.profile,
        "seed": o.seed,
        "sequences": o.sequences,
        "length": o.length,
        "faults": list(o.chosen_faults),
        "expected": o.expected,
        "tool": campaign.version,
    }


def restore(campaign: Campaign, kept: dict[str, Any]) -> None:
    """Bring a new campaign to where the kept one stood."""
    begun_with(campaign.options.out, kept, _identity(campaign))
    campaign.done = int(kept["done"])
    campaign.steps, campaign.events, campaign.inconclusive = kept["counts"]
    campaign.losses.load(kept["losses"])
    campaign.seconds_earlier = float(kept["seconds"])
    campaign.earlier = Seen(
        Counter(kept["requirements"]),
        Counter(kept["readings"]),
        Counter({(c, r, Move(*move)): n for c, r, *move, n in kept["moves"]}),
    )
    campaign.pairs.update(
        (c, (r1, Move(a, b, d)), (r2, Move(e, f, g)))
        for c, r1, a, b, d, r2, e, f, g in kept["pairs"]
    )
    campaign.witnesses.load(kept["witnesses"])
    campaign.reactions.update(kept["reactions"])
    campaign.faults.update(kept["committed"])
    campaign.asked.update(kept["asked"])
    campaign.answered.update(kept["answered"])
    campaign.broken.update(kept["broken"])
    campaign.warnings.update(kept["warnings"])
    campaign.unsure.update(kept["unsure"])
    campaign.forgotten = int(kept["forgotten"])
    for name, found in (("found", campaign.found), ("unconfirmed", campaign.unconfirmed)):
        for key, (file, sequence, confirmed, attempts, times) in kept[name].items():
            outcome, log = _reload(campaign, file)
            found[key] = Found(file, sequence, outcome, confirmed, attempts, log, times)


def _reload(campaign: Campaign, file: str) -> tuple[Outcome, bytes]:
    out = campaign.options.out
    assert out is not None
    case = Case.load(out / "cases" / f"{file}.json")
    trace, log = out / "traces" / f"{file}.jsonl", out / "logs" / f"{file}.log"
    events = tuple(load_trace(trace.read_text(encoding="utf-8")))
    failure = judge_trace(events, campaign.profile.specification()).failure
    outcome = Outcome(case.stimuli, events, failure, len(case.stimuli))
    return outcome, log.read_bytes() if log.exists() else b""


def write_state(out: Path, state: dict[str, Any], file: str = FILE) -> None:
    """Write the state, whole or not at all."""
    part = out / f"{file}.part"
    try:
        out.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(state, indent=2), encoding="utf-8")
        part.replace(out / file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise CampaignError(
            f"{out / file}: {error.strerror}; choose a folder you can write"
        ) from None


def read_state(out: Path, file: str = FILE, schema: str = SCHEMA) -> dict[str, Any]:
    """What ``write_state`` wrote. Raises CampaignError where there is nothing of the sort."""
    path, what = out / file, schema.partition("/")[0].removeprefix("kmcl-")
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CampaignError(f"{path}: {error.strerror}; there is nothing to resume") from None
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or kept.get("schema") != schema:
        raise CampaignError(f"{path}: not a {what}; start again without --resume")
    return kept


def begun_with(out: Path | None, kept: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    """Raises CampaignError where something was begun with other options than it is to go on, or
    does not tell them."""
    for name, value in mine.items():
        if name not in kept:
            raise CampaignError(
                f"{out}: what is kept there does not tell its {name}; start again without --resume"
            )
        if kept[name] != value:
            raise CampaignError(
                f"{out}: was begun with {name} {kept[name]!r}, not {value!r}; "
                "resume it with the options it was begun with, or choose another folder"
            )
