"""Defects of what the guest tells its host of places: connections, processors, pages."""

from __future__ import annotations

from typing import Final

from kmcl_adapters.control import Field
from kmcl_adapters.guest.connection import PROCESSORS, Connection
from kmcl_adapters.guest.links import EIO, Links
from kmcl_adapters.guest.machine import Thread
from kmcl_adapters.guest.requests import Request, Requests, Wire
from kmcl_model.control import PAGE

from .mutant import GuestMutant

__all__ = ["MUTANTS"]


class ContactsWhereOldHostsAre(Wire):
    def first_connection(self, proposed: int) -> int:
        return 1


class ContactsWhereNewHostsAre(Wire):
    def first_connection(self, proposed: int) -> int:
        return 4


class StaysWhereContactWasMade(Connection):
    def go_on_at(self, named: int) -> None:
        pass


class _Says(Wire):
    """Changes what a message says before it is sent."""

    message: str

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        raise NotImplementedError

    def post(self, message: str, **fields: Field) -> None:
        super().post(message, **(self.changed(fields) if message == self.message else fields))


class OneMonitorPage(_Says):
    message = "INITIATE_CONTACT"

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        return fields | {"monitor_page2": fields.get("monitor_page1", 0)}


class MonitorPageInsideAnother(_Says):
    message = "INITIATE_CONTACT"

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        return fields | {"monitor_page2": int(fields.get("monitor_page2", 0)) + PAGE // 2}


class ContactsOnNoProcessor(_Says):
    message = "INITIATE_CONTACT"

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        return fields | {"target_vcpu": PROCESSORS}


class OpensOnNoProcessor(_Says):
    message = "OPENCHANNEL"

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        return fields | {"target_vp": PROCESSORS}


class MovesToNoProcessor(_Says):
    message = "MODIFYCHANNEL"

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        return fields | {"target_vp": int(fields["target_vp"]) + PROCESSORS}


class MovesElsewhere(_Says):
    message = "MODIFYCHANNEL"

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        return fields | {"target_vp": PROCESSORS - 1 - int(fields["target_vp"])}


class RingBeginsInsidePage(_Says):
    message = "GPADL_HEADER"

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        return fields | {"byte_offset": 8, "byte_count": int(fields["byte_count"]) - 8}


class RingHasPageTwice(_Says):
    message = "GPADL_BODY"

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        return fields | {"repeated": 1}


class RingWithoutData(_Says):
    message = "OPENCHANNEL"

    def changed(self, fields: dict[str, Field]) -> dict[str, Field]:
        return fields | {"downstream_ringbuffer_pageoffset": 1}


class MovesWithoutSaying(Links):
    def move(self, channel: object, processor: int) -> Thread:
        yield None
        knows = self.kernel.connection.knows_modify()
        return 0 if getattr(channel, "is_open", False) and knows else EIO


class MoveIgnoresRefusal(Requests):
    def answered(self, message: str, fields: dict[str, Field]) -> None:
        refused = message == "MODIFYCHANNEL_RESPONSE"
        super().answered(message, fields | {"status": 0} if refused else fields)


class MoveAlwaysFails(Requests):
    def answered(self, message: str, fields: dict[str, Field]) -> None:
        is_move = message == "MODIFYCHANNEL_RESPONSE"
        super().answered(message, fields | {"status": 1} if is_move else fields)


class AnyMoveResult(Requests):
    def matches(self, request: Request, message: str, fields: dict[str, Field]) -> bool:
        if message == "MODIFYCHANNEL_RESPONSE":
            return request.message == "MODIFYCHANNEL"
        return super().matches(request, message, fields)


class UnaskedMoveResultCrashes(Requests):
    def answered(self, message: str, fields: dict[str, Field]) -> None:
        if message == "MODIFYCHANNEL_RESPONSE":
            next(r for r in self.waiting if r.message == "MODIFYCHANNEL")
        super().answered(message, fields)


_M = GuestMutant
MUTANTS: Final = (
    _M(
        "contacts-where-old-hosts-are",
        "the other connection of new hosts is not known",
        "V068",
        ContactsWhereOldHostsAre,
    ),
    _M(
        "contacts-where-new-hosts-are",
        "the connection is not chosen anew for an older version",
        "V068",
        ContactsWhereNewHostsAre,
    ),
    _M(
        "stays-where-contact-was-made",
        "the connection in the host's answer is not read",
        "V068",
        StaysWhereContactWasMade,
    ),
    _M("one-monitor-page", "one page is given for both directions", "V069", OneMonitorPage),
    _M(
        "monitor-page-inside-another",
        "pages are taken from memory that is not aligned",
        "V069",
        MonitorPageInsideAnother,
    ),
    _M(
        "contacts-on-no-processor",
        "the number of processors is taken for that of the last one",
        "V070",
        ContactsOnNoProcessor,
    ),
    _M("opens-on-no-processor", "the same when a channel is opened", "V070", OpensOnNoProcessor),
    _M("moves-to-no-processor", "the same when a channel is moved", "V070", MovesToNoProcessor),
    _M("moves-elsewhere", "processors are counted from the other end", "V073", MovesElsewhere),
    _M(
        "ring-begins-inside-page",
        "the ring is cut out of memory that is not aligned",
        "V071",
        RingBeginsInsidePage,
    ),
    _M(
        "ring-has-page-twice",
        "the list of pages goes back by one where it is cut into messages",
        "V071",
        RingHasPageTwice,
    ),
    _M(
        "ring-without-data",
        "the size of the ring is taken for that without its header",
        "V072",
        RingWithoutData,
    ),
    _M("moves-without-saying", "the host is not told of a move", "V074", MovesWithoutSaying),
    _M("move-ignores-refusal", "the status of a move is not looked at", "V074", MoveIgnoresRefusal),
    _M("move-always-fails", "the status of a move is read the wrong way", "V074", MoveAlwaysFails),
    _M(
        "any-move-result",
        "the relid of the answer to a move is not compared",
        "V056",
        AnyMoveResult,
    ),
    _M(
        "unasked-move-result-crashes",
        "the search for the request of a move is believed to succeed",
        "V049",
        UnaskedMoveResultCrashes,
    ),
)
