"""Every statement that is modelled, broken by hand, and refused under its own name.

A conversation is accepted as it stands; each defect changes it in one place and must be refused at
that place, with exactly the requirements it breaks.
"""

from __future__ import annotations

import pytest

from broken import by_hand
from conversations import Conversation, judged
from kmcl_model.catalogue import requirements

EVERY = {name: (it, place, ids) for name, it, place, ids in by_hand()}


@pytest.mark.parametrize("name", EVERY)
def test_what_is_broken_is_refused_where_it_shows_under_its_name(name: str) -> None:
    it, place, ids = EVERY[name]
    failure = judged(it).failure
    assert failure is not None
    assert failure.number == len(it.events) + place
    assert failure.event == it.events[place]
    assert failure.requirements == tuple(ids.split())
    assert all(broken.words for broken in failure.broken)
    assert failure.state


@pytest.mark.parametrize("name", EVERY)
def test_what_comes_before_is_accepted(name: str) -> None:
    it, place, _ = EVERY[name]
    assert judged(Conversation(*it.events[:place])).failure is None


def test_every_modelled_requirement_is_broken() -> None:
    """Each is named by a failure; what nothing here breaks is not known to be judged."""
    named: set[str] = set()
    for it, _, _ in EVERY.values():
        failure = judged(it).failure
        assert failure is not None
        named |= {*failure.requirements}
    modelled = {id for id, known in requirements().items() if known.status == "modelled"}
    assert modelled - named == set()
