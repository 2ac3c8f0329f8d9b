"""Conversations in which the host or the world does wrong."""

from __future__ import annotations

from typing import Final

from kmcl_conformance.control.setup import (
    NAMED_PIPE,
    SETTLE,
    UNKNOWN,
    happens,
    offer,
    post,
    signal,
    user,
)

from .steps import (
    DEVICE,
    OTHER,
    Steps,
    accepted,
    bind,
    closed,
    connected,
    created,
    opened,
    ready,
    rescind,
    rest_after,
    running,
    torn,
    unbind,
    unload,
)

__all__ = ["CONVERSATIONS"]


def wrong_answers() -> Steps:
    """Answers that bear another relid or id come before the right ones."""
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    for flaw in ("wrong relid", "wrong id", ""):
        yield from rest_after(post("GPADL_CREATED", 1, 0, flaw=flaw))
    for flaw in ("wrong relid", "wrong id", ""):
        yield from rest_after(post("OPENCHANNEL_RESULT", 1, 0, flaw=flaw))
    yield from rest_after(user("close", DEVICE))
    for flaw in ("wrong id", ""):
        yield from rest_after(post("GPADL_TORNDOWN", 1, flaw=flaw))


def answers_again() -> Steps:
    """Every answer comes twice."""
    yield from connected()
    yield from rest_after(post("VERSION_RESPONSE", False))
    yield from bind()
    yield from created()
    yield from opened()
    yield from rest_after(post("OPENCHANNEL_RESULT", 1, 0))
    yield from closed()
    yield from torn()
    yield from opened()
    yield from closed()


def unasked() -> Steps:
    """Answers without a request, rescinds of nothing, offers that come again."""
    yield from connected()
    yield from rest_after(post("OPENCHANNEL_RESULT", UNKNOWN, 0))
    yield from rest_after(post("GPADL_TORNDOWN", 1))
    yield from rescind(UNKNOWN)
    yield from rest_after(offer(1))
    yield from rest_after(signal(UNKNOWN))
    yield from rescind()


def torn_early() -> Steps:
    """The first of two closes asks for nothing, and is answered all the same."""
    yield from ready()
    yield from opened()
    yield from rest_after(user("open", DEVICE))
    yield from closed()
    yield from closed()


def malformed() -> Steps:
    """Messages that are cut short or of a type that nobody knows."""
    yield from running()
    for flaw in ("short", "unknown type"):
        yield from rest_after(offer(UNKNOWN)._replace(flaw=flaw))
        yield from rest_after(post("RESCIND_CHANNELOFFER", 1, flaw=flaw))
    yield from rest_after(user("close", DEVICE))
    yield from rest_after(post("GPADL_TORNDOWN", 1, flaw="short"))
    yield from torn()


def short_answers() -> Steps:
    """Every answer comes cut short before it comes whole."""
    yield from rest_after(user("load"))
    yield from rest_after(post("VERSION_RESPONSE", True, flaw="short"))
    yield from rest_after(post("VERSION_RESPONSE", True))
    yield offer(1)
    yield from rest_after(post("ALLOFFERS_DELIVERED", flaw="short"))
    yield from rest_after(post("ALLOFFERS_DELIVERED"))
    yield from bind()
    yield from rest_after(user("open", DEVICE))
    for message in ("GPADL_CREATED", "OPENCHANNEL_RESULT"):
        yield from rest_after(post(message, 1, 0, flaw="short"))
        yield from rest_after(post(message, 1, 0))
    yield from rest_after(user("move", DEVICE, 1))
    yield from rest_after(post("MODIFYCHANNEL_RESPONSE", 1, 0, flaw="short"))
    yield from rest_after(post("MODIFYCHANNEL_RESPONSE", 1, 0))
    yield from rest_after(user("close", DEVICE))
    yield from rest_after(post("GPADL_TORNDOWN", 1, flaw="short"))
    yield from torn()
    yield from unbind()
    yield from rest_after(user("unload"))
    yield from rest_after(post("UNLOAD_RESPONSE", flaw="short"))
    yield from rest_after(post("UNLOAD_RESPONSE"))


def moved_unasked() -> Steps:
    """Answers to a move that bear another relid, and one that nobody waits for."""
    yield from running()
    yield from rest_after(user("move", DEVICE, 1))
    yield from rest_after(post("MODIFYCHANNEL_RESPONSE", 1, 0, flaw="wrong relid"))
    yield from rest_after(post("MODIFYCHANNEL_RESPONSE", 1, 0))
    yield from rest_after(post("MODIFYCHANNEL_RESPONSE", 1, 0))
    yield from rest_after(user("move", DEVICE, 1))
    yield from rest_after(post("UNLOAD_RESPONSE"))
    yield from closed()


def signalled() -> Steps:
    """A channel is signalled at every point of its life, and so is its subchannel."""
    yield from connected()
    yield from rest_after(signal(1))
    yield from bind()
    yield from rest_after(signal(1))
    yield from rest_after(user("open", DEVICE))
    yield from rest_after(signal(1))
    yield from created()
    yield from rest_after(signal(1))
    yield from rest_after(post("OPENCHANNEL_RESULT", 1, 0))
    yield from rest_after(signal(1))
    yield from rest_after(offer(3, DEVICE, 1))
    yield from created(3)
    yield from rest_after(post("OPENCHANNEL_RESULT", 3, 0))
    yield from rest_after(signal(3))
    yield from rest_after(user("close", DEVICE))
    yield from rest_after(signal(1))
    yield from torn(3)
    yield from torn()
    yield from rest_after(signal(3))
    yield from rescind(3)
    yield from rescind()
    for relid in (1, 3):
        yield from rest_after(signal(relid))


def elsewhere() -> Steps:
    """The host names another connection than the one on which contact was made; after UNLOAD
    contact is made where it always is."""
    for named in (77, 0x12345):
        yield from rest_after(user("load"))
        yield from rest_after(post("VERSION_RESPONSE", True, named))
        yield offer(1)
        yield from rest_after(post("ALLOFFERS_DELIVERED"))
        yield from bind()
        yield from unload()


def lost_answers() -> Steps:
    """Answers are lost, or take their time: the guest waits until they come."""
    yield from connected()
    yield from rest_after(user("bind", DEVICE))
    yield from rest_after(post("GPADL_CREATED", 1, 0, flaw="lost"))
    yield SETTLE
    yield from created(1, 2)
    yield from rest_after(user("open", DEVICE))
    for answer in (post("GPADL_CREATED", 1, 0), post("OPENCHANNEL_RESULT", 1, 0)):
        yield from rest_after(answer._replace(flaw="lost"))
        yield SETTLE
        yield from rest_after(answer)
    yield from rest_after(user("close", DEVICE))
    yield from rest_after(post("GPADL_TORNDOWN", 1, flaw="lost"))
    yield SETTLE
    yield from torn()


def odd_relid() -> Steps:
    """A device is offered with a relid that has no event flag; it is used if the guest takes it."""
    yield from connected()
    for relid in (5000, 0):
        yield from rest_after(offer(relid, OTHER))
        yield from bind(relid, OTHER)
        yield from opened(relid, OTHER)
        yield from closed(relid, OTHER)
        yield from rescind(relid)
    yield from bind()
    yield from opened()


def odd_instance() -> Steps:
    """A device is offered under a second relid; both are rescinded."""
    yield from connected(1, 2)
    yield from rest_after(offer(3))
    yield from rescind(3)
    yield from rescind()
    yield from bind(2, OTHER)
    yield from rest_after(offer(1))
    yield from bind()


def odd_instance_first() -> Steps:
    """The same, and the relid that came first is rescinded first."""
    yield from connected(1, 2)
    yield from rest_after(offer(3))
    yield from rescind()
    yield from rescind(3)
    yield from bind(2, OTHER)


def odd_subchannel() -> Steps:
    """A subchannel is offered before there is a primary channel, then the device as it should."""
    yield from accepted()
    yield from rest_after(post("ALLOFFERS_DELIVERED"))
    yield from rest_after(offer(1, DEVICE, 1))
    yield from rescind()
    yield from rest_after(offer(1))
    yield from bind()


def unusual_offers() -> Steps:
    """Devices with a monitor page, and with flags, are served like any other."""
    yield from accepted()
    yield offer(1, DEVICE, monitor=37)
    yield offer(2, OTHER, flags=NAMED_PIPE)
    yield from rest_after(post("ALLOFFERS_DELIVERED"))
    yield from rest_after(post("ALLOFFERS_DELIVERED"))
    for relid, device in ((1, DEVICE), (2, OTHER)):
        yield from bind(relid, device)
        yield from opened(relid, device)
        yield from rest_after(user("notify", device))
        yield from closed(relid, device)


def busy() -> Steps:
    """The host has no room for a message now and then."""
    yield from connected()
    for function, answers in (("bind", 2), ("open", 1)):
        yield happens("busy")
        yield from rest_after(user(function, DEVICE))
        yield happens("busy")
        yield from created(1, answers)
    yield from rest_after(post("OPENCHANNEL_RESULT", 1, 0))
    yield happens("busy")
    yield from closed()
    yield happens("busy")
    yield from rescind()


def busy_contact() -> Steps:
    """The host has no room for the first messages of the guest."""
    yield user("load")
    yield from rest_after(happens("busy"))
    yield happens("busy")
    yield from rest_after(post("VERSION_RESPONSE", True))
    yield offer(1)
    yield from rest_after(post("ALLOFFERS_DELIVERED"))


def reset() -> Steps:
    """The guest is reset while requests wait, and starts anew."""
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    yield happens("reset")
    yield from running()
    yield happens("reset")
    yield from connected()


def reset_waiting() -> Steps:
    """The guest is reset at every point at which it waits for the host."""
    yield from rest_after(user("load"))
    yield happens("reset")
    yield from connected()
    yield from rest_after(user("bind", DEVICE))
    yield happens("reset")
    yield from ready()
    yield from rest_after(user("open", DEVICE))
    yield from created()
    yield happens("reset")
    yield from running()
    yield from rest_after(user("close", DEVICE))
    yield happens("reset")
    yield from connected()
    yield from rest_after(user("unload"))
    yield happens("reset")
    yield from running()
    yield from rest_after(user("move", DEVICE, 1))
    yield happens("reset")
    yield from running()
    yield from rest_after(user("kexec"))
    yield happens("reset")
    yield from connected()


CONVERSATIONS: Final = (
    wrong_answers,
    answers_again,
    unasked,
    torn_early,
    malformed,
    short_answers,
    moved_unasked,
    lost_answers,
    signalled,
    elsewhere,
    odd_relid,
    odd_instance,
    odd_instance_first,
    odd_subchannel,
    unusual_offers,
    busy,
    busy_contact,
    reset,
    reset_waiting,
)
