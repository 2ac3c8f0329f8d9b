"""What a guest, or its host, does not declare is not asked for."""

import pytest

from kmcl_adapters import Description
from kmcl_adapters.guest.adapter import CAPABILITIES, GuestAdapter
from kmcl_conformance.control.conversations import CONVERSATIONS
from kmcl_conformance.sequence import replay, walk
from kmcl_conformance.subjects import VMBUS
from kmcl_model.control import USER_CALLS
from kmcl_model.stimuli import Environ, Invoke

OPTIONAL = ("busy", "kexec", "modify", "reset", "spurious")


class Limited(GuestAdapter):
    """The reference guest, which says that it lacks something."""

    def __init__(self, lacks: tuple[str, ...]) -> None:
        super().__init__("guest")
        self.lacks = lacks

    def describe(self) -> Description:
        return self.description._replace(capabilities=CAPABILITIES - set(self.lacks))


def asked(lacks: tuple[str, ...]) -> set[str]:
    """The capabilities that conversations and walks make use of."""
    adapter, specification = Limited(lacks), VMBUS.specification()
    outcomes = [replay(adapter, specification, tour.stimuli) for tour in CONVERSATIONS]
    outcomes += [walk(adapter, specification, seed, 80) for seed in range(40)]
    made = [stimulus for outcome in outcomes for stimulus in outcome.stimuli]
    used = {USER_CALLS[s.function].capability for s in made if isinstance(s, Invoke)}
    return used | {s.action.split()[0] for s in made if isinstance(s, Environ)}


def test_all_that_is_declared_is_asked_for() -> None:
    assert asked(()) >= {*OPTIONAL, "guest", "load"}


@pytest.mark.parametrize("lacks", OPTIONAL)
def test_what_is_not_declared_is_not(lacks: str) -> None:
    assert lacks not in asked((lacks,))
