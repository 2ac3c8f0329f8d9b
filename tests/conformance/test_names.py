"""What is going to be used is nobody else's, also while the events of another process travel."""

from __future__ import annotations

from kmcl_conformance.generate.names import Names
from kmcl_conformance.oracle import Judge
from kmcl_model.payload import Payload, payload_bytes
from kmcl_model.spec import Specification
from kmcl_model.stimuli import Invoke


def test_the_tag_of_a_send_is_taken_before_the_call_shows() -> None:
    names, judge = Names(), Judge(Specification())
    assert names.free_tag(judge, "client") == 0
    message = payload_bytes(Payload(0, 8))
    names.ask(Invoke("invoke", "client", "t0", "VmbPacketSend", ("p0", message, 1)))
    names.ask(Invoke("invoke", "client", "t1", "VmbPacketAllocate", ("p1",)))
    assert names.tags("client") == {0}
    assert names.tags("server") == set()
    assert names.free_tag(judge, "client") == 1
    names.call("client", "t1")
    assert names.free_tag(judge, "client") == 1
    names.call("client", "t0")
    assert names.free_tag(judge, "client") == 0
