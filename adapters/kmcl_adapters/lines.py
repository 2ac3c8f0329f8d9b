"""The line protocol: what a process says that plays an implementation, and how we serve one.

JSON Lines in UTF-8 over standard input and output. The process speaks first, one *hello*:

    {"protocol":"kmcl-line/1","sessions":"many","description":{"name":"…","version":"…",
     "capabilities":["client","server"],"exact_quiescence":true,"idle_seconds":0.0,
     "surroundings":["Linux 6.12.9","QEMU 10.0.2"]}}

or, where it cannot serve, ``{"protocol":"kmcl-line/1","error":"one line"}``. Then it answers
requests, one after the other, each with a reply that repeats its number:

    {"request":1,"do":"open"}                      a fresh implementation
    {"request":2,"do":"apply","stimuli":[…]}       apply these; none: just say what has happened
    {"request":3,"do":"close"}                     give the session back

    {"reply":2,"runnable":0}                       done; so many steps could run
    {"reply":1,"error":"one line"}                 not done
    {"reply":3,"runnable":0,"tally":{"…":2}}       closed; what was counted that no event shows

Events come between as lines of their own, at any time, in the order in which they were
recorded: those of a stimulus before the reply at the latest, and a call before it enters the
implementation. Stimuli are written as in ``case.schema.json``, events as in
``trace.schema.json``. ``"sessions":"one"`` tells that a second session needs a new process.
At the end of input the process ends.

    {"reply":2,"runnable":0,"refused":["VmbServerChannelInitSetTargetVtl: STATUS_NOT_SUPPORTED: …"]}
                                                   done; these calls are refused always, and why

``not_offered`` in the description lists functions that the implementation does not have.
``surroundings``, ``not_offered``, ``tally`` and ``refused`` may be left out, and whoever does not
know them passes over them: so it is with every field that the protocol gets without another version
of it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from kmcl_model.api import FUNCTIONS
from kmcl_model.arguments import UnknownFunction
from kmcl_model.events import Event
from kmcl_model.plain import event_record, stimulus_of
from kmcl_model.stimuli import Invoke, Stimulus

from .interface import AdapterError, Description, Refusing, Session, Tallying
from .tally import LONGEST_WORDS, MOST_WORDS, is_words

__all__ = [
    "PROTOCOL",
    "ProtocolError",
    "Service",
    "description_from_json",
    "description_to_json",
    "encode",
    "serve",
]

PROTOCOL: Final = "kmcl-line/1"
"""Name and version, in the hello."""

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


class ProtocolError(Exception):
    """A line does not belong to the protocol: one line that says why."""


class Service(Protocol):
    """What is served: sessions, of which one is open at a time."""

    def describe(self) -> Description:
        """See ``kmcl_adapters.interface.Adapter``."""

    def open(self, record: Callable[[Event], None]) -> Session:
        """A fresh implementation. Events go to ``record`` as they happen, or to ``take``."""


def encode(message: object) -> bytes:
    """A message as a line."""
    return _ENCODER.encode(message).encode() + b"\n"


def description_to_json(description: Description) -> dict[str, Any]:
    """The description in a hello; the adapter's own name is the client's business."""
    told = {
        "name": description.name,
        "version": description.version,
        "capabilities": sorted(description.capabilities),
        "exact_quiescence": description.exact_quiescence,
        "idle_seconds": description.idle_seconds,
    }
    around = [words[:LONGEST_WORDS] for words in description.surroundings[:MOST_WORDS]]
    told |= {"surroundings": around} if around else {}
    return told | ({"not_offered": sorted(lacks)} if (lacks := description.not_offered) else {})


def description_from_json(given: object, adapter: str) -> Description:
    """The inverse; raises ProtocolError."""
    match given:
        case {
            "name": str(name),
            "version": str(version),
            "capabilities": list(capabilities),
            "exact_quiescence": bool(exact),
            "idle_seconds": int() | float() as idle,
            **others,
        } if all(isinstance(word, str) for word in capabilities):
            known = frozenset(capabilities)
            around = _surroundings(others.get("surroundings", []))
            lacks = _not_offered(others.get("not_offered", []))
            return Description(name, version, adapter, known, exact, float(idle), around, lacks)
    raise ProtocolError("the hello has no proper description")


def _surroundings(given: object) -> tuple[str, ...]:
    if isinstance(given, list) and len(given) <= MOST_WORDS and all(map(is_words, given)):
        return tuple(given)
    raise ProtocolError(
        f"the hello's surroundings are no list of up to {MOST_WORDS} texts, each of up to "
        f"{LONGEST_WORDS} characters"
    )


def _not_offered(given: object) -> frozenset[str]:
    """Those that are functions of the interface as we know it."""
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        return frozenset(given) & FUNCTIONS.keys()
    raise ProtocolError("the hello's not_offered is no list of names of functions")


def _stimulus(service: Refusing | None, record: object) -> Stimulus:
    """The stimulus that a request describes. Raises ValueError, or AdapterError with the status of
    a function that the service knows and refuses."""
    try:
        return stimulus_of(record)
    except UnknownFunction as error:
        if service is None or (words := service.refusal(error.name)) is None:
            raise
        raise AdapterError(words) from None


def _refusal(service: Refusing | None, stimulus: Stimulus) -> str | None:
    """What the service says of a call that it always refuses."""
    if service is None or not isinstance(stimulus, Invoke):
        return None
    return service.refusal(stimulus.function)


def serve(
    service: Service,
    requests: Iterable[bytes],
    write: Callable[[bytes], object],
    *,
    hello: bool = True,
    many: bool = True,
    once: bool = False,
) -> int | None:
    """Say hello and answer requests until there are no more.

    ``write`` gets whole lines and is called by one thread at a time. ``many`` is what the hello
    tells of sessions. ``once``: come back when the first session is closed, with the number of
    the request that asked for it: whoever prepares the next session sends the reply.
    """
    lock = threading.Lock()

    def send(message: object) -> None:
        line = encode(message)
        with lock:
            write(line)

    def record(event: Event) -> None:
        send(event_record(event))

    if hello:
        try:
            description = description_to_json(service.describe())
        except AdapterError as error:
            send({"protocol": PROTOCOL, "error": str(error)})
            return None
        sessions = "many" if many else "one"
        send({"protocol": PROTOCOL, "sessions": sessions, "description": description})
    session: Session | None = None
    refusing = service if isinstance(service, Refusing) else None
    for line in requests:
        request = json.loads(line)
        number: int = request["request"]
        more: dict[str, Any] = {}
        try:
            match request["do"]:
                case "open":
                    if session is not None:
                        session.close()
                    session = service.open(record)
                case "close" if session is not None:
                    session.close()
                    session = None
                    if once:
                        return number
                    if isinstance(service, Tallying) and (tally := service.tally()):
                        more = {"tally": dict(tally)}
                case "apply" if session is not None:
                    for given in request["stimuli"]:
                        stimulus = _stimulus(refusing, given)
                        if words := _refusal(refusing, stimulus):
                            more.setdefault("refused", []).append(words)
                        session.apply(stimulus)
                        for event in session.take():
                            record(event)
                    for event in session.take():
                        record(event)
                case other:
                    raise AdapterError(f"no session, or nothing known as {other!r}")
        except (AdapterError, ValueError) as error:
            send({"reply": number, "error": str(error)})
            continue
        send({"reply": number, "runnable": session.runnable() if session else 0} | more)
    if session is not None:
        session.close()
    return None
