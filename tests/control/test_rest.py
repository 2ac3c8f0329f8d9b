"""A guest whose rest is only waited for goes through the same conversations as one that tells."""

import pytest

from kmcl_adapters.control import ControlSession
from kmcl_adapters.guest import GuestAdapter
from kmcl_adapters.guest.kernel import GuestPort
from kmcl_adapters.interface import Description
from kmcl_conformance.control.conversations import CONVERSATIONS
from kmcl_conformance.generate.tours import Tour
from kmcl_conformance.profiles import PROFILES
from kmcl_conformance.sequence import replay


class FarGuest(GuestAdapter):
    """The reference guest, seen from so far away that rest is not known."""

    def describe(self) -> Description:
        return super().describe()._replace(exact_quiescence=False)

    def open(self) -> ControlSession:
        return ControlSession(GuestPort(self.parts, self.habits), exact=False)


@pytest.mark.parametrize("tour", CONVERSATIONS, ids=lambda tour: tour.name)
def test_no_step_of_a_conversation_is_left_out_because_rest_was_waited_for(tour: Tour) -> None:
    specification = PROFILES["linux-vmbus"].specification()
    near = replay(GuestAdapter("guest"), specification, tour.stimuli)
    far = replay(FarGuest("guest"), specification, tour.stimuli)

    assert far.failure is None
    assert [s for s in far.stimuli if s[0] != "settle"] == [
        s for s in near.stimuli if s[0] != "settle"
    ]
