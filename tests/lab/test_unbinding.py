"""What Linux does when ``uio_hv_generic`` is unbound under an open channel: the case of the finding
``reports/findings/linux-unbind-while-open.md``; skipped without --real-guests."""

from collections.abc import Iterator

import pytest

from kmcl_lab.hostcheck import Conversation, check_host
from kmcl_lab.images import Images
from kmcl_lab.lab import Lab
from kmcl_lab.machine import HostKind
from kmcl_lab.problem import GuestLost, LabProblem

pytestmark = pytest.mark.lab

DRIVER = "/sys/bus/vmbus/drivers/uio_hv_generic"


@pytest.fixture(scope="module")
def lab(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(images, tmp_path_factory.mktemp("lab"), host=HostKind.PROGRAMMABLE) as lab:
        check_host(lab, rewinds=1)
        yield lab


def unbound(lab: Lab) -> tuple[int, str]:
    """Open the channel, unbind, close what was open; its id and its instance."""
    lab.rewind("bound")
    (channel,) = lab.ask_host("channels")
    talk = Conversation(lab, "/dev/uio0")
    since = lab.ask_host("figures")["trace"]
    lab.guest.run(["sh", "-c", f"echo {channel['instance']} > {DRIVER}/unbind"])
    assert talk.order("wait", limit=5) == {"errno": "EIO"}
    assert talk.order("send", payload=bytes(8).hex()) == {"errno": "EINVAL"}
    talk.close()
    said = {name for _, _, sender, name, *_ in lab.ask_host("trace", since=since)}
    (after,) = lab.ask_host("channels")

    assert said == {"GPADL_TEARDOWN", "GPADL_TORNDOWN"}  # of two buffers, and no CLOSECHANNEL
    assert after["state"] == "open"
    return channel["relid"], channel["instance"]


def test_a_device_that_is_bound_again_cannot_be_opened(lab: Lab) -> None:
    relid, instance = unbound(lab)
    lab.guest.run(["sh", "-c", f"echo {instance} > {DRIVER}/bind"])
    with pytest.raises(LabProblem, match="Invalid argument"):
        Conversation(lab, "/dev/uio0")
    since = lab.ask_host("figures")["trace"]
    lab.ask_host("rescind", relid=relid)

    lab.ask_host("wait-for", name="RELID_RELEASED", since=since, child_relid=relid)


def test_a_signal_of_the_host_kills_the_kernel(lab: Lab) -> None:
    """The last test: it costs the guest."""
    relid, _ = unbound(lab)
    lab.ask_host("signal", relid=relid)
    with pytest.raises(GuestLost, match=r"^kernel fault of the inner guest: .*NULL pointer"):
        lab.guest.run(["sh", "-c", "while true; do sleep 1; done"])
