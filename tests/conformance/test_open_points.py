"""The certificate has every open point: the reading that was seen, or why none was."""

from __future__ import annotations

from kmcl_conformance.adapters import find
from kmcl_conformance.campaign import Campaign, Options
from kmcl_conformance.verdicts import certificate
from kmcl_model.catalogue import interpretations


def test_every_open_point_is_in_the_certificate() -> None:
    options = Options(adapter="reference", profile="full", seed=1, sequences=1, out=None)
    campaign = Campaign(find("reference"), options)
    for _ in campaign.run():
        pass
    found = {(one.id, one.point): one for one in certificate(campaign).interpretations}

    for id, item in interpretations().items():
        for point in item.points:
            one = found.get((id, "" if point.name == "reading" else point.name))
            if item.verdict_class in ("note", "mixed"):
                assert one is not None
            if one is not None and one.reading is None:
                assert one.evidence == point.unseen or not point.unseen
                assert one.evidence
            if point.unseen:
                assert one is not None
                assert one.reading is None
    assert found["A15", "legal-bits"].reading == "R1"
    assert found["A33", ""].evidence == "No sequence of this run showed it."
