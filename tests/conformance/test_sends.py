"""Which packets a later one has passed, where nobody sees the other end."""

from kmcl_conformance.sends import Sends


def test_what_was_sent_before_has_been_passed() -> None:
    sends = Sends()
    for name in ("p0", "p1", "p2"):
        sends.called(name)
        sends.accepted(name)

    assert sends.passed_by("p2") == ["p0", "p1"]
    assert sends.passed_by("p0") == []


def test_sends_that_overlap_have_no_order() -> None:
    sends = Sends()
    sends.called("p0")
    sends.called("p1")
    sends.accepted("p0")
    sends.accepted("p1")

    assert sends.passed_by("p1") == []


def test_a_transaction_that_is_over_and_a_refused_send_are_passed_by_nobody() -> None:
    sends = Sends()
    for name in ("p0", "p1"):
        sends.called(name)
    sends.accepted("p0")
    sends.ended("p0")
    sends.accepted("p0")  # its send returns after its completion
    sends.called("p2")

    assert sends.passed_by("p2") == []


def test_a_packet_that_is_sent_again_is_a_new_one() -> None:
    sends = Sends()
    for name in ("p0", "p1", "p0"):
        sends.called(name)
        sends.accepted(name)

    assert sends.passed_by("p1") == []
    assert sends.passed_by("p0") == ["p1"]


def test_a_copy_goes_its_own_way_and_a_session_that_ends_takes_all_along() -> None:
    sends = Sends()
    sends.called("p0")
    sends.accepted("p0")
    other = sends.copy()
    other.clear()
    for each in (sends, other):
        each.called("p1")

    assert (sends.passed_by("p1"), other.passed_by("p1")) == (["p0"], [])
