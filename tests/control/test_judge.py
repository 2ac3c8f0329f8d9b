"""The judge of the control protocol, on traces written by hand."""

from collections.abc import Iterator

import pytest

from kmcl_conformance.control import ControlJudge
from kmcl_conformance.subjects import VMBUS, allowed_instead
from kmcl_model.book import vmbus
from kmcl_model.control import CLASS_OF_HEARTBEAT, GUEST, HOST, MESSAGES, version
from kmcl_model.events import Call, Environment, Event, Lost, Message, Quiescence, Return, Signal
from kmcl_model.spec.control import ControlSpecification

DEVICE = "d0"
QUIET = Quiescence("quiescence", True)


def sent(name: str, *fields: int | str | bool | None, flaw: str = "") -> Message:
    """What is left out at the end of the fields is not told."""
    untold = (None,) * (len(MESSAGES[name].fields) - len(fields))
    return Message("message", MESSAGES[name].sender, name, (*fields, *untold), flaw)


def call(function: str, *arguments: str | int, by: str = "u0") -> Call:
    return Call("call", GUEST, by, function, arguments)


def done(function: str, errno: int = 0, by: str = "u0") -> Return:
    return Return("return", GUEST, by, function, errno, ())


def offer(relid: int = 1, device: str = DEVICE, index: int = 0) -> Message:
    return sent("OFFERCHANNEL", relid, "class", device, index, False)


def gpadl(number: int = 70, relid: int = 1, pages: int = 4) -> Message:
    return sent("GPADL_HEADER", relid, number, 8 + 8 * pages, 1, 4096 * pages, 0, min(pages, 26))


def opening(relid: int = 1, number: int = 70) -> Message:
    return sent("OPENCHANNEL", relid, relid, number, 0, 2)


def contacted(*, accepted: bool) -> list[Event]:
    """The first version, and what the host says of it."""
    return [
        call("load"),
        sent("INITIATE_CONTACT", version(5, 3), 0),
        sent("VERSION_RESPONSE", accepted),
    ]


def connected(*events: Event, accepted: int = version(5, 3)) -> list[Event]:
    return [
        call("load"),
        sent("INITIATE_CONTACT", accepted, 0),
        sent("VERSION_RESPONSE", True),
        sent("REQUESTOFFERS"),
        done("load"),
        sent("ALLOFFERS_DELIVERED"),
        offer(),
        QUIET,
        *events,
    ]


def ready(*events: Event) -> list[Event]:
    """A device that an open can be tried on."""
    return connected(call("bind", DEVICE), done("bind"), *events)


def created(number: int = 70, relid: int = 1) -> list[Event]:
    return [gpadl(number, relid), sent("GPADL_CREATED", relid, number, 0)]


def opened(*events: Event) -> list[Event]:
    result = sent("OPENCHANNEL_RESULT", 1, 1, 0)
    return ready(call("open", DEVICE), *created(), opening(), result, done("open"), *events)


def closed(*events: Event) -> list[Event]:
    return opened(
        call("close", DEVICE),
        sent("CLOSECHANNEL", 1),
        sent("GPADL_TEARDOWN", 1, 70),
        sent("GPADL_TORNDOWN", 70),
        done("close"),
        *events,
    )


def handed_over(*events: Event) -> list[Event]:
    """Another kernel has taken over, with a channel open."""
    answered = (sent("UNLOAD_RESPONSE"), done("kexec"))
    return opened(call("kexec"), sent("UNLOAD"), QUIET, *answered, *events)


RESCIND = sent("RESCIND_CHANNELOFFER", 1)
RELEASED = sent("RELID_RELEASED", 1)
FAILS = 19

BROKEN: dict[str, tuple[list[Event], str]] = {
    "an offer is requested before contact": ([call("load"), sent("REQUESTOFFERS")], "V001"),
    "contact is made twice": (
        [call("load"), *[sent("INITIATE_CONTACT", version(5, 3), 0)] * 2],
        "V002",
    ),
    "the refused version comes again": (
        [
            call("load"),
            sent("INITIATE_CONTACT", version(5, 3), 0),
            sent("VERSION_RESPONSE", False),
            sent("INITIATE_CONTACT", version(5, 3), 0),
        ],
        "V003",
    ),
    "a version that there is not": ([call("load"), sent("INITIATE_CONTACT", 7, 0)], "V004"),
    "contact anew": (connected(sent("INITIATE_CONTACT", version(4, 0), 0)), "V005"),
    "silence after a refusal": (
        [
            call("load"),
            sent("INITIATE_CONTACT", version(5, 3), 0),
            sent("VERSION_RESPONSE", False),
            QUIET,
        ],
        "V006",
    ),
    "offers requested twice": (connected(sent("REQUESTOFFERS")), "V008"),
    "unload without UNLOAD": (connected(call("unload"), done("unload")), "V011"),
    "UNLOAD without being told": (connected(sent("UNLOAD")), "V012"),
    "unload without the answer": (
        connected(call("unload"), sent("UNLOAD"), done("unload")),
        "V013",
    ),
    "a GPADL after UNLOAD": (connected(call("unload"), sent("UNLOAD"), gpadl()), "V014"),
    "a channel that was not offered": (connected(sent("CLOSECHANNEL", 5)), "V016"),
    "a close after the release": (opened(RESCIND, RELEASED, sent("CLOSECHANNEL", 1)), "V017"),
    "released twice": (connected(RESCIND, RELEASED, RELEASED), "V018"),
    "released without a rescind": (connected(RELEASED), "V019"),
    "not released": (connected(RESCIND, QUIET), "V020"),
    "an open that waits for ever": (
        ready(call("open", DEVICE), gpadl(), RESCIND, RELEASED, QUIET),
        "V021",
    ),
    "an open after the release": (
        opened(RESCIND, RELEASED, opening()),
        "V017 V022",
    ),
    "opened twice": (opened(opening()), "V024"),
    "opened without an answer": (ready(call("open", DEVICE), gpadl(), opening()), "V025 V046"),
    "closed twice": (opened(sent("CLOSECHANNEL", 1), sent("CLOSECHANNEL", 1)), "V027"),
    "closed without a word": (opened(call("close", DEVICE), done("close")), "V028"),
    "a ring taken away": (opened(sent("GPADL_TEARDOWN", 1, 70)), "V029"),
    "a ring that stays": (
        ready(
            call("open", DEVICE),
            *created(),
            opening(),
            sent("OPENCHANNEL_RESULT", 1, 1, 5),
            done("open", 11),
        ),
        "V030",
    ),
    "open before the answer": (
        ready(call("open", DEVICE), *created(), opening(), done("open")),
        "V031 V047 V049",
    ),
    "an open that fails for nothing": (ready(call("open", DEVICE), done("open", FAILS)), "V032"),
    "an open that stalls": (ready(call("open", DEVICE), QUIET), "V033"),
    "a buffer that stays": (
        connected(
            call("bind", DEVICE), *created(), done("bind"), call("unbind", DEVICE), done("unbind")
        ),
        "V034",
    ),
    "a close that does not wait": (
        opened(
            call("close", DEVICE),
            sent("CLOSECHANNEL", 1),
            sent("GPADL_TEARDOWN", 1, 70),
            done("close"),
        ),
        "V035 V048",
    ),
    "a signal of a closed channel": (closed(Signal("signal", GUEST, 1)), "V036"),
    "an id that is in use": (ready(call("open", DEVICE), gpadl(), gpadl()), "V037"),
    "an id that is being torn down": (
        opened(
            call("close", DEVICE), sent("CLOSECHANNEL", 1), sent("GPADL_TEARDOWN", 1, 70), gpadl()
        ),
        "V038",
    ),
    "bytes without pages": (
        ready(call("open", DEVICE), sent("GPADL_HEADER", 1, 70, 24, 1, 3 * 4096, 0, 2)),
        "V039",
    ),
    "more pages than fit": (
        ready(call("open", DEVICE), sent("GPADL_HEADER", 1, 70, 8 + 8 * 30, 1, 30 * 4096, 0, 27)),
        "V040",
    ),
    "a body of nothing": (ready(call("open", DEVICE), sent("GPADL_BODY", 0, 70, 1)), "V041"),
    "a body that never comes": (ready(call("open", DEVICE), gpadl(pages=30), QUIET), "V042"),
    "the teardown of a request": (
        ready(call("open", DEVICE), gpadl(), sent("GPADL_TEARDOWN", 1, 70)),
        "V043",
    ),
    "the teardown of another's": (
        opened(offer(2, "d1"), QUIET, sent("GPADL_TEARDOWN", 2, 70)),
        "V044",
    ),
    "torn down twice": (
        opened(sent("CLOSECHANNEL", 1), *[sent("GPADL_TEARDOWN", 1, 70)] * 2),
        "V045",
    ),
    "an answer for another channel": (
        ready(call("open", DEVICE), gpadl(), sent("GPADL_CREATED", 2, 70, 0), opening()),
        "V025 V046 V050",
    ),
    "an answer with another open id": (
        ready(
            call("open", DEVICE),
            *created(),
            opening(),
            sent("OPENCHANNEL_RESULT", 1, 9, 0),
            done("open"),
        ),
        "V031 V047 V049",
    ),
    "a crash after an unknown message": (
        connected(offer(9)._replace(flaw="unknown type"), Lost("lost", "crash", "oops")),
        "V051",
    ),
    "the release of nothing": (
        connected(sent("RESCIND_CHANNELOFFER", 9), sent("RELID_RELEASED", 9)),
        "V016 V052",
    ),
    "a message that is lost": (
        ready(Environment("environment", HOST, "busy"), call("open", DEVICE), QUIET),
        "V033 V054",
    ),
    "a move in an old version": (
        [*opened(), sent("MODIFYCHANNEL", 1, 1)][:1]
        + [
            sent(e.message, version(4, 0), 0)
            if isinstance(e, Message) and e.message == "INITIATE_CONTACT"
            else e
            for e in opened(call("move", DEVICE, 1), sent("MODIFYCHANNEL", 1, 1))[1:]
        ],
        "V055",
    ),
    "a move that does not wait": (
        opened(call("move", DEVICE, 1), sent("MODIFYCHANNEL", 1, 1), done("move")),
        "V056",
    ),
    "a contact on the wrong connection": (
        [call("load"), sent("INITIATE_CONTACT", version(5, 3), 0, *[None] * 4, 1)],
        "V068",
    ),
    "a message where contact was made, though the host has gone elsewhere": (
        [
            call("load"),
            sent("INITIATE_CONTACT", version(5, 3), 0, *[None] * 4, 4),
            sent("VERSION_RESPONSE", True, 9),
            sent("REQUESTOFFERS", 4),
        ],
        "V068",
    ),
    "one page for two": (
        [call("load"), sent("INITIATE_CONTACT", version(4, 0), 0, 4096, 8192, 4096)],
        "V069",
    ),
    "a contact for a processor that is none": (
        [call("load"), sent("INITIATE_CONTACT", version(5, 3), 2, None, None, None, 2)],
        "V070",
    ),
    "a ring that begins inside a page": (
        ready(
            call("open", DEVICE),
            sent("GPADL_HEADER", 1, 70, 40, 1, 4 * 4096 - 8, 8, 4),
            sent("GPADL_CREATED", 1, 70, 0),
            opening(),
        ),
        "V071",
    ),
    "a ring with a page twice": (
        ready(
            call("open", DEVICE),
            sent("GPADL_HEADER", 1, 70, 40, 1, 4 * 4096, 0, 4, 1),
            sent("GPADL_CREATED", 1, 70, 0),
            opening(),
        ),
        "V071",
    ),
    "a ring without data": (
        ready(call("open", DEVICE), *created(), sent("OPENCHANNEL", 1, 1, 70, 0, 3)),
        "V072",
    ),
    "a move elsewhere": (opened(call("move", DEVICE, 1), sent("MODIFYCHANNEL", 1, 0)), "V073"),
    "a move that says nothing": (opened(call("move", DEVICE, 1), done("move")), "V074"),
    "a move that was refused": (
        opened(
            call("move", DEVICE, 1),
            sent("MODIFYCHANNEL", 1, 1),
            sent("MODIFYCHANNEL_RESPONSE", 1, 1),
            done("move"),
        ),
        "V074",
    ),
    "a move that fails for nothing": (
        opened(
            call("move", DEVICE, 1),
            sent("MODIFYCHANNEL", 1, 1),
            sent("MODIFYCHANNEL_RESPONSE", 1, 0),
            done("move", 5),
        ),
        "V074",
    ),
    "a relid without a flag that was used and is not released": (
        connected(
            offer(5000, "d1"),
            QUIET,
            call("bind", "d1"),
            gpadl(71, 5000),
            sent("RESCIND_CHANNELOFFER", 5000),
            done("bind", FAILS),
            QUIET,
        ),
        "V020 V065",
    ),
    "the first relid of an instance that was offered twice": (
        connected(offer(2), QUIET, RESCIND, QUIET),
        "V020 V066",
    ),
    "a signal of a channel that was given back": (
        opened(RESCIND, RELEASED, Signal("signal", GUEST, 1)),
        "V036",
    ),
    "a subchannel alone": (
        connected(offer(3, DEVICE, 1), *created(71, 3), opening(3, 71)),
        "V057",
    ),
    "a primary closed first": (
        opened(
            offer(3, DEVICE, 1),
            *created(71, 3),
            opening(3, 71),
            sent("OPENCHANNEL_RESULT", 3, 3, 0),
            sent("CLOSECHANNEL", 1),
        ),
        "V058",
    ),
    "a handover without UNLOAD": (opened(call("kexec"), done("kexec")), "V061"),
    "a handover that says nothing": (connected(call("kexec"), QUIET), "V061"),
    "a handover before the answer": (
        connected(call("kexec"), sent("UNLOAD"), done("kexec")),
        "V062",
    ),
    "a handover that does not come": (
        connected(call("kexec"), sent("UNLOAD"), sent("UNLOAD_RESPONSE"), QUIET),
        "V063",
    ),
    "a handover in an old version that does not come": (
        connected(call("kexec"), QUIET, accepted=version(2, 4)),
        "V063",
    ),
    "a new kernel with an old channel": (handed_over(sent("CLOSECHANNEL", 1)), "V064"),
    "a new kernel that releases what it never had": (handed_over(RELEASED), "V064"),
    "a GPADL on the way to another kernel": (
        connected(call("kexec"), sent("UNLOAD"), gpadl()),
        "V014",
    ),
    "bind before the answer": (connected(call("bind", DEVICE), gpadl(), done("bind")), "V060"),
    "no request for offers when the version is accepted": (
        [*contacted(accepted=True), QUIET],
        "V007",
    ),
    "offers requested of a host that has refused": (
        [*contacted(accepted=False), sent("REQUESTOFFERS")],
        "V007",
    ),
    "loaded, though the host has refused": (
        [*contacted(accepted=False), done("load")],
        "V009",
    ),
    "not loaded, though the host has accepted": (
        [*contacted(accepted=True), sent("REQUESTOFFERS"), done("load", FAILS)],
        "V009",
    ),
    "a load that does not return with all offers there": (
        [
            *contacted(accepted=True),
            sent("REQUESTOFFERS"),
            sent("ALLOFFERS_DELIVERED"),
            QUIET,
        ],
        "V010",
    ),
    "an unload that stalls after the answer": (
        connected(call("unload"), sent("UNLOAD"), sent("UNLOAD_RESPONSE"), QUIET),
        "V015",
    ),
    "a GPADL for a channel that was given back": (
        connected(RESCIND, RELEASED, gpadl()),
        "V017 V023",
    ),
    "a second ring at the very beginning": (
        ready(call("open", DEVICE), *created(), sent("OPENCHANNEL", 1, 1, 70, 0, 0)),
        "V026",
    ),
    "a second ring behind the end": (
        ready(call("open", DEVICE), *created(), sent("OPENCHANNEL", 1, 1, 70, 0, 4)),
        "V026",
    ),
    "a close that takes another's GPADL_TORNDOWN for its own": (
        opened(
            call("close", DEVICE),
            sent("CLOSECHANNEL", 1),
            sent("GPADL_TEARDOWN", 1, 70),
            sent("GPADL_TORNDOWN", 71),
            done("close"),
        ),
        "V035 V048 V050",
    ),
    "UNLOAD because all offers are delivered again": (
        connected(sent("ALLOFFERS_DELIVERED"), sent("UNLOAD")),
        "V012 V049",
    ),
    "a release because of an answer that nobody asked for": (
        connected(sent("OPENCHANNEL_RESULT", 1, 1, 0), RELEASED),
        "V019 V050",
    ),
    "a release because of an offer that comes again": (
        connected(offer(), RELEASED),
        "V019 V053",
    ),
    "a crash after a signal for nothing": (
        connected(Environment("environment", HOST, "spurious"), Lost("lost", "crash", "oops")),
        "V059",
    ),
    "a release because of a signal for nothing": (
        connected(Environment("environment", HOST, "spurious"), RELEASED),
        "V019 V059",
    ),
    "a crash after a subchannel without its primary": (
        connected(offer(3, "d1", 1), Lost("lost", "crash", "oops")),
        "V067",
    ),
    "a subchannel without its primary that was used and is not released": (
        connected(offer(3, "d1", 1), *created(71, 3), sent("RESCIND_CHANNELOFFER", 3), QUIET),
        "V020 V067",
    ),
}
"""By what the guest does wrong at the last event: the trace, and all the requirements it breaks."""


@pytest.mark.parametrize("what", BROKEN)
def test_the_last_event_breaks_the_requirement_and_none_before_it(what: str) -> None:
    events, requirements = BROKEN[what]
    judge = ControlJudge(ControlSpecification())

    assert [judge.feed(event) for event in events[:-1]] == [None] * (len(events) - 1)
    failure = judge.feed(events[-1])

    assert failure is not None
    assert failure.number == len(events) - 1
    assert failure.event == events[-1]
    assert failure.requirements == tuple(requirements.split())


def test_every_modelled_requirement_is_broken() -> None:
    """Each is named by the failure of a row; what no row breaks is not known to be judged."""
    named = {id for _, requirements in BROKEN.values() for id in requirements.split()}
    modelled = {id for id, known in vmbus().requirements.items() if known.status == "modelled"}

    assert len(modelled) > 70
    assert modelled - named == set()


def legal() -> Iterator[tuple[str, list[Event]]]:
    yield "a whole life", closed(RESCIND, RELEASED, QUIET)
    yield "a close that crosses the rescind", opened(RESCIND, sent("CLOSECHANNEL", 1), RELEASED)
    yield (
        "an open that crosses the rescind",
        ready(
            call("open", DEVICE),
            *created(),
            RESCIND,
            opening(),
            RELEASED,
            done("open", FAILS),
            QUIET,
        ),
    )
    yield (
        "an answer after the rescind",
        ready(
            call("open", DEVICE),
            gpadl(),
            RESCIND,
            RELEASED,
            done("open", FAILS),
            sent("GPADL_CREATED", 1, 70, 0),
            QUIET,
        ),
    )
    yield "a new life of the relid", connected(RESCIND, RELEASED, offer(), RESCIND, RELEASED, QUIET)
    yield "an id that is used again", closed(call("open", DEVICE), *created(), opening())
    yield "a rescind of nothing", connected(sent("RESCIND_CHANNELOFFER", 9), QUIET)
    yield "a short rescind", connected(RESCIND._replace(flaw="short"), QUIET)
    yield "an unasked answer", connected(sent("OPENCHANNEL_RESULT", 1, 1, 0), QUIET)
    yield (
        "two descriptors",
        opened(call("open", DEVICE), done("open"), call("close", DEVICE), done("close"), QUIET),
    )
    yield (
        "a reset in the middle",
        ready(call("open", DEVICE), gpadl(), Environment("environment", GUEST, "reset"), *opened()),
    )
    yield (
        "release after UNLOAD",
        connected(
            call("unload"), sent("UNLOAD"), sent("UNLOAD_RESPONSE"), RELEASED, done("unload"), QUIET
        ),
    )
    sub_opened = (
        *(offer(3, index=1), *created(71, 3), opening(3, 71)),
        *(sent("OPENCHANNEL_RESULT", 3, 3, 0), QUIET),
    )
    yield (
        "a signal of a subchannel that was rescinded, which the guest keeps open",
        opened(
            *(*sub_opened, sent("RESCIND_CHANNELOFFER", 3), QUIET, call("notify", DEVICE)),
            *(Signal("signal", GUEST, 1), Signal("signal", GUEST, 3), done("notify"), QUIET),
        ),
    )
    yield (
        "an unload that is refused, since a device is open, and one that is not",
        opened(
            *(call("unload"), done("unload", 11), QUIET),
            *(RESCIND, RELEASED, call("unload"), done("unload", 11), QUIET),
            *(call("close", DEVICE), done("close"), call("unload"), sent("UNLOAD")),
            *(sent("UNLOAD_RESPONSE"), done("unload"), QUIET),
        ),
    )
    yield (
        "no UNLOAD in an old version",
        connected(call("unload"), done("unload"), accepted=version(2, 4)),
    )

    yield (
        "a load that waits until the driver it brings has its device",
        [
            *contacted(accepted=True),
            sent("REQUESTOFFERS"),
            sent("OFFERCHANNEL", 1, CLASS_OF_HEARTBEAT, DEVICE, 0, False),
            sent("ALLOFFERS_DELIVERED"),
            gpadl(),
            QUIET,
            sent("GPADL_CREATED", 1, 70, 0),
            opening(),
            QUIET,
            sent("OPENCHANNEL_RESULT", 1, 1, 0),
            done("load"),
            QUIET,
        ],
    )
    yield "a new kernel with the same channels and ids", handed_over(QUIET, *opened())
    yield (
        "a handover while calls wait that nobody ends any more",
        ready(
            call("open", DEVICE),
            gpadl(pages=30),
            call("kexec", by="u1"),
            sent("UNLOAD"),
            QUIET,
            sent("UNLOAD_RESPONSE"),
            done("kexec", by="u1"),
            QUIET,
        ),
    )
    yield (
        "a handover without UNLOAD in an old version",
        connected(call("kexec"), done("kexec"), *connected(), accepted=version(2, 4)),
    )
    yield (
        "a handover before any contact",
        [call("kexec"), done("kexec"), QUIET, *connected()],
    )
    yield (
        "channels closed before a handover",
        opened(
            call("kexec"),
            sent("CLOSECHANNEL", 1),
            sent("GPADL_TEARDOWN", 1, 70),
            QUIET,
            sent("GPADL_TORNDOWN", 70),
            sent("UNLOAD"),
            sent("UNLOAD_RESPONSE"),
            done("kexec"),
            QUIET,
        ),
    )
    yield "a kexec that the guest refuses", opened(call("kexec"), done("kexec", 95), QUIET)


@pytest.mark.parametrize("events", [pytest.param(e, id=what) for what, e in legal()])
def test_what_is_legal_is_accepted(events: list[Event]) -> None:
    judge = ControlJudge(ControlSpecification())

    assert [judge.feed(event) for event in events] == [None] * len(events)


def test_what_would_have_been_right_is_said_in_words() -> None:
    events = opened(call("close", DEVICE))

    assert allowed_instead(VMBUS.specification(), events) == (
        "guest: CLOSECHANNEL(1)",
        "guest: MODIFYCHANNEL(child_relid=1, target_vp=0)",
        "guest: signal(1)",
        "guest: GPADL_HEADER(child_relid=1, gpadl=925695, range_buflen=16, rangecount=1, "
        "byte_count=4096, byte_offset=0, pfns=1)",
    )


def test_a_fork_goes_its_own_way() -> None:
    judge = ControlJudge(ControlSpecification())
    for event in opened():
        judge.feed(event)
    fork = judge.fork()

    assert fork.feed(sent("CLOSECHANNEL", 1)) is None
    assert fork.feed(sent("CLOSECHANNEL", 1)) is not None
    assert judge.feed(sent("CLOSECHANNEL", 1)) is None


def following(*events: Event) -> ControlJudge:
    """A judge who has accepted these."""
    judge = ControlJudge(ControlSpecification())
    assert [judge.feed(event) for event in events] == [None] * len(events)
    return judge


def test_faults_are_told_apart_by_where_the_channel_stands() -> None:
    def named(*events: Event) -> dict[str, int]:
        judge = ControlJudge(ControlSpecification())
        for event in events:
            judge.feed(event)
        return dict(judge.faults)

    asked = ready(call("open", DEVICE), gpadl())
    assert named(*connected(RESCIND)) == {"rescind-idle": 1}
    assert named(*ready(RESCIND)) == {"rescind-bound": 1}
    assert named(*asked, RESCIND) == {"rescind-creating": 1}
    assert named(*asked, sent("GPADL_CREATED", 1, 70, 5)) == {"refuse-gpadl": 1}
    assert named(*asked, RESCIND, sent("GPADL_CREATED", 1, 70, 0)) == {
        "rescind-creating": 1,
        "answer-late": 1,
    }
    assert named(*opened(RESCIND, RESCIND)) == {"rescind-open": 1, "rescind-again": 1}
    assert named(*opened(sent("OPENCHANNEL_RESULT", 1, 1, 0))) == {"answer-again": 1}
    assert named(*opened(sent("OPENCHANNEL_RESULT", 8, 1, 0))) == {"answer-unasked": 1}
    assert named(*closed()) == {}
    assert named(*asked, QUIET) == {}
    assert named(*asked, QUIET, QUIET) == {"answer-delayed": 1}
    assert named(*asked, *[QUIET] * 9) == {"answer-delayed": 1}  # it is one answer
    later = sent("GPADL_CREATED", 1, 70, 0), opening(), QUIET, QUIET
    assert named(*asked, QUIET, QUIET, *later) == {"answer-delayed": 2}
    assert named(*asked, QUIET, RESCIND, QUIET) == {"rescind-creating": 1}


GONE = Lost("lost", "crash", "Oops: 0002")
CONNECTED = "guest connection: phase requested, version 327683"


@pytest.mark.parametrize(
    ("events", "channels"),
    [
        (connected(), ["guest channel 1: life offered, bus up"]),
        (
            opened(offer(2, "d1")),
            [
                "guest channel 1: life offered, link open, ring 1, gpadls ((1, 'created'),), "
                "descriptors 1, bound, target 0, bus up",
                "guest channel 2: life offered, bus up",
            ],
        ),
        (connected(RESCIND, sent("RELID_RELEASED", 1), call("open", "d1")), []),
    ],
    ids=["offered", "open, and another", "released"],
)
def test_of_a_guest_that_is_lost_it_is_told_how_far_it_came(
    events: list[Event], channels: list[str]
) -> None:
    failure = following(*events).feed(GONE)

    assert failure is not None
    assert failure.state == (CONNECTED, *channels)


def test_of_a_guest_that_is_lost_before_it_has_said_a_word_too() -> None:
    failure = following().feed(GONE)

    assert failure is not None
    assert failure.state == ("guest connection: as new",)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (sent("UNLOAD")._replace(endpoint=HOST), "'UNLOAD from the host'"),
        (gpadl()._replace(fields=(1, 70, "many", 1, 4096, 0, 1)), "fields of that kind"),
        (done("open"), "('guest', 'u0')"),
        (call("load"), "a second call of u0"),
        (Lost("lost", "hang", "silent"), "the implementation is gone: hang"),
    ],
)
def test_a_trace_that_makes_no_sense_is_refused_in_words(event: Event, words: str) -> None:
    judge = ControlJudge(ControlSpecification())
    for before in connected(*[call("open", DEVICE)] * (event.kind == "call")):
        assert judge.feed(before) is None

    failure = judge.feed(event)

    assert failure is not None
    assert words in failure.broken[0].words
    assert judge.feed(QUIET) is failure
