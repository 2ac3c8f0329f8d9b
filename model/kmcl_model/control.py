"""The VMBus control protocol as the vocabulary knows it: messages, and what a guest's user can do.

Messages bear the names of ``enum vmbus_channel_message_type`` of Linux without their prefix, and
fields those of its structures (``include/linux/hyperv.h``). Only fields that can be judged are
named; of page lists the number of pages is kept, as ``pfns``, and how many of them the GPADL had
before, as ``repeated``. ``connection`` is where a guest has posted the message, ``processors`` how
many its machine has.

A test lets the host send a message by naming the fields it *gives*; the others (the id of a GPADL,
the id of an open) are taken from the request that is answered, so that a case stays meaningful
when the guest chooses other ids.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from .api import FUNCTIONS, Function

__all__ = [
    "CALLABLE",
    "CLASS_FOR_PROGRAMS",
    "CLASS_OF_HEARTBEAT",
    "FLAWS",
    "GUEST",
    "HOST",
    "MESSAGES",
    "MOST_RELIDS",
    "PAGE",
    "PFNS_IN_BODY",
    "PFNS_IN_HEADER",
    "RANGE_HEADER",
    "USER_CALLS",
    "VERSIONS",
    "Flaw",
    "MessageType",
    "version",
]

GUEST: Final = "guest"
HOST: Final = "host"

Flaw = Literal["", "short", "unknown type", "wrong relid", "wrong id", "lost"]

FLAWS: Final[tuple[Flaw, ...]] = ("", "short", "unknown type", "wrong relid", "wrong id", "lost")
"""What can be wrong with a host's message: it is cut short, it has a type that nobody knows, an
answer names a channel or an id that nobody asked about, or it is lost on its way."""

MOST_RELIDS: Final = 2048
"""As many event flags a processor has for the bus: a channel is signalled by the flag of its relid,
which is from 1 to 2047; flag 0 is that of the messages."""

CLASS_FOR_PROGRAMS: Final = "00000000-0000-0000-0000-0000000000c0"
"""A class of devices that no driver takes by itself: what binds to it opens it when told to."""

CLASS_OF_HEARTBEAT: Final = "57164f39-9115-4e78-ab55-382f3bd5422d"
"""The class of the heartbeat, whose driver opens the channel as soon as it is offered."""

PAGE: Final = 4096
"""Bytes of a page of the protocol."""

PFNS_IN_HEADER: Final = 26
"""Pages that fit into GPADL_HEADER, whose payload is 240 bytes at most."""

PFNS_IN_BODY: Final = 28
"""Pages that fit into GPADL_BODY."""

RANGE_HEADER: Final = 8
"""Bytes of a range before its pages: byte count and offset."""


def version(major: int, minor: int) -> int:
    """A protocol version as INITIATE_CONTACT carries it."""
    return major << 16 | minor


VERSIONS: Final = tuple(
    version(*pair)
    for pair in (
        (6, 0),
        (5, 3),
        (5, 2),
        (5, 1),
        (5, 0),
        (4, 1),
        (4, 0),
        (3, 0),
        (2, 4),
        (1, 1),
        (0, 13),
    )
)
"""Every version of the protocol that there is, the highest first."""


class MessageType(NamedTuple):
    """A control message: its number, who sends it, its fields.

    ``given`` are the fields that a test names when it lets the host send it; ``answers`` is the
    message it is the answer to. ``later``: fields that older traces and cases do not have; they are
    None there, which says nothing.
    """

    name: str
    number: int
    sender: str
    fields: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    answers: str = ""
    later: tuple[str, ...] = ()


_OFFER: Final = (
    *("child_relid", "if_type", "if_instance", "sub_channel_index", "monitor_allocated"),
    *("chn_flags", "monitorid"),
)
_CONTACT: Final = ("interrupt_page", "monitor_page1", "monitor_page2", "processors")
_M = MessageType


def _whole(m: MessageType) -> MessageType:
    """A guest also chooses the connection it posts to."""
    if m.sender == HOST:
        return m
    return m._replace(fields=(*m.fields, "connection"), later=(*m.later, "connection"))


MESSAGES: Final[dict[str, MessageType]] = {
    m.name: _whole(m)
    for m in (
        _M(
            "OFFERCHANNEL",
            1,
            HOST,
            _OFFER,
            _OFFER,
            later=("chn_flags", "monitorid"),
        ),
        _M("RESCIND_CHANNELOFFER", 2, HOST, ("child_relid",), ("child_relid",)),
        _M("REQUESTOFFERS", 3, GUEST),
        _M("ALLOFFERS_DELIVERED", 4, HOST, answers="REQUESTOFFERS"),
        _M(
            "OPENCHANNEL",
            5,
            GUEST,
            (
                "child_relid",
                "openid",
                "ringbuffer_gpadlhandle",
                "target_vp",
                "downstream_ringbuffer_pageoffset",
            ),
        ),
        _M(
            "OPENCHANNEL_RESULT",
            6,
            HOST,
            ("child_relid", "openid", "status"),
            ("child_relid", "status"),
            "OPENCHANNEL",
        ),
        _M("CLOSECHANNEL", 7, GUEST, ("child_relid",)),
        _M(
            "GPADL_HEADER",
            8,
            GUEST,
            (
                "child_relid",
                "gpadl",
                "range_buflen",
                "rangecount",
                "byte_count",
                "byte_offset",
                "pfns",
                "repeated",
            ),
            later=("repeated",),
        ),
        _M("GPADL_BODY", 9, GUEST, ("msgnumber", "gpadl", "pfns", "repeated"), later=("repeated",)),
        _M(
            "GPADL_CREATED",
            10,
            HOST,
            ("child_relid", "gpadl", "creation_status"),
            ("child_relid", "creation_status"),
            "GPADL_HEADER",
        ),
        _M("GPADL_TEARDOWN", 11, GUEST, ("child_relid", "gpadl")),
        # The test names the channel; the message itself carries the id alone.
        _M("GPADL_TORNDOWN", 12, HOST, ("gpadl",), ("child_relid",), "GPADL_TEARDOWN"),
        _M("RELID_RELEASED", 13, GUEST, ("child_relid",)),
        _M(
            "INITIATE_CONTACT",
            14,
            GUEST,
            ("vmbus_version_requested", "target_vcpu", *_CONTACT),
            later=_CONTACT,
        ),
        _M(
            "VERSION_RESPONSE",
            15,
            HOST,
            ("version_supported", "msg_conn_id"),
            ("version_supported", "msg_conn_id"),
            "INITIATE_CONTACT",
            ("msg_conn_id",),
        ),
        _M("UNLOAD", 16, GUEST),
        _M("UNLOAD_RESPONSE", 17, HOST, answers="UNLOAD"),
        _M("MODIFYCHANNEL", 22, GUEST, ("child_relid", "target_vp")),
        _M(
            "MODIFYCHANNEL_RESPONSE",
            24,
            HOST,
            ("child_relid", "status"),
            ("child_relid", "status"),
            "MODIFYCHANNEL",
        ),
    )
}
"""Every control message that is judged, by name."""

_U = Function
USER_CALLS: Final[dict[str, Function]] = {
    f.name: f
    for f in (
        _U("load", role=GUEST, capability="load", waits=True),
        _U("unload", role=GUEST, capability="load", waits=True),
        _U("bind", ("Device",), role=GUEST, capability="guest", waits=True),
        _U("unbind", ("Device",), role=GUEST, capability="guest", waits=True),
        _U("open", ("Device",), role=GUEST, capability="guest", waits=True),
        _U("close", ("Device",), role=GUEST, capability="guest", waits=True),
        _U("move", ("Device", "Processor"), role=GUEST, capability="modify", waits=True),
        _U("notify", ("Device",), role=GUEST, capability="guest"),
        _U("kexec", role=GUEST, capability="kexec", waits=True),
    )
}
"""What a guest's user can be told to do, by name: load and unload the bus driver, bind a device to
a driver for user space, open and close it, move its interrupts to another processor, notify the
host; hand the machine over to another kernel, without a reset. The status of the return is an
errno, 0 for success; of ``kexec`` it is the first word of the kernel that took over. A device is
named by ``if_instance``."""

CALLABLE: Final[dict[str, Function]] = FUNCTIONS | USER_CALLS
"""Everything that a call can name."""
