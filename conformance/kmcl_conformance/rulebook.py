"""Which rules of the specification judge a requirement."""

from __future__ import annotations

from functools import cache

from .subjects import SUBJECTS

__all__ = ["cited", "rules_of"]


@cache
def cited() -> dict[str, tuple[str, ...]]:
    """Rule ids by requirement or interpretation id."""
    found: dict[str, dict[str, None]] = {}

    def note(rule: str, ids: tuple[str, ...]) -> None:
        for id in ids:
            found.setdefault(id, {})[rule] = None

    for rules in (rules for subject in SUBJECTS for rules in subject.observers):
        for rule in rules.rules:
            note(rule.id, rule.shows)
            for need in rule.needs:
                note(rule.id, need.requirements)
        for due in rules.dues:
            note(due.id, due.requirements)
        for silence in rules.silences:
            note(silence.id, silence.requirements)
    return {id: tuple(rules) for id, rules in found.items()}


def rules_of(requirement: str) -> tuple[str, ...]:
    """The rules that cite a requirement, in the order of the specification."""
    return cited().get(requirement, ())
