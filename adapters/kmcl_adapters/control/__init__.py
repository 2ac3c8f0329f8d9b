"""The control protocol of the bus: a session over whatever has a guest in its hands."""

from .port import Field, Gone, HostPort, Returned, Seen, Sent, Signalled, relid_of
from .session import ControlSession
from .wire import described, frames_of, seen_of

__all__ = [
    "ControlSession",
    "Field",
    "Gone",
    "HostPort",
    "Returned",
    "Seen",
    "Sent",
    "Signalled",
    "described",
    "frames_of",
    "relid_of",
    "seen_of",
]
