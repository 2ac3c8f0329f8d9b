"""The bus driver of a real guest, led by hand; skipped without --real-guests."""

from collections.abc import Iterator

import pytest

from kmcl_conformance.control.conversations import CONVERSATIONS
from kmcl_conformance.control.setup import SETTLE, user
from kmcl_conformance.profiles import PROFILES, choose
from kmcl_conformance.sequence import replay
from kmcl_lab.images import Images
from kmcl_lab.lab import Lab
from kmcl_lab.linux import LinuxAdapter, options_for
from kmcl_lab.machine import HostKind
from kmcl_model.events import Call, Lost, Message, Return

pytestmark = pytest.mark.lab

TOURS = {tour.name: tour for tour in CONVERSATIONS}


@pytest.fixture(scope="module")
def linux(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinuxAdapter]:
    folder = tmp_path_factory.mktemp("lab")
    with Lab(images, folder, host=HostKind.PROGRAMMABLE, options=options_for(1)) as lab:
        yield LinuxAdapter(lab)


@pytest.mark.parametrize("name", ["refused versions", "refused open", "rescinded idle"])
def test_a_real_guest_plays_a_conversation_from_its_first_word(
    linux: LinuxAdapter, name: str
) -> None:
    profile = PROFILES[choose(linux.describe())]
    outcome = replay(linux, profile.specification(), TOURS[name].stimuli)

    assert profile.name == "linux-vmbus"
    assert outcome.failure is None
    assert isinstance(outcome.events[0], Call)
    said = [e for e in outcome.events if isinstance(e, Message) and e.endpoint == "guest"]
    assert said[0].message == "INITIATE_CONTACT"
    assert any(isinstance(e, Return) for e in outcome.events)


def test_a_panic_is_survived_by_going_back(linux: LinuxAdapter) -> None:
    specification = PROFILES["linux-vmbus"].specification()
    session = linux.open()
    session.apply(user("load"))
    linux.lab.guest.start(["sh", "-c", "echo c > /proc/sysrq-trigger"])
    session.apply(SETTLE)
    lost = session.take()[-1]
    starts = linux.lab.account().starts
    outcome = replay(linux, specification, TOURS["late offers"].stimuli)
    account = linux.lab.account()

    assert isinstance(lost, Lost)
    assert lost.reason == "crash"
    assert "sysrq triggered crash" in lost.detail
    assert outcome.failure is None
    assert account.starts == starts
    assert "went back to a saved moment: panic of the inner guest" in account.retries[-1]


def test_every_session_begins_at_the_same_moment(linux: LinuxAdapter) -> None:
    specification = PROFILES["linux-vmbus"].specification()
    twice = [replay(linux, specification, TOURS["late offers"].stimuli) for _ in range(2)]
    said = [
        [e for e in outcome.events if isinstance(e, Message) and e.endpoint == "guest"]
        for outcome in twice
    ]

    assert said[0] == said[1] != []
