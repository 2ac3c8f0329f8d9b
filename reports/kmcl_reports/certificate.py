"""A certificate as JSON: writing, reading, its schema and its integrity.

The digest proves that a certificate is unchanged, not who issued it; ``signature`` is kept
for a detached signature made with a key of the issuer's own.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

from .results import Certificate

__all__ = [
    "SCHEMA_ID",
    "canonical_json",
    "certificate_json",
    "certificate_schema",
    "digest_of",
    "parse_certificate",
    "seal",
    "verify",
]

SCHEMA_ID: Final = "urn:kmcl:certificate:1"

_TIMINGS: Final = ("wall_seconds", "steps_per_second")


def certificate_json(certificate: Certificate) -> str:
    """The certificate for people and machines: indented, fields in their declared order."""
    return json.dumps(certificate.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def canonical_json(certificate: Certificate, *, timings: bool = False) -> str:
    """One line with sorted keys, in ASCII; without ``timings`` the same run gives the same
    bytes, whatever machine it ran on."""
    content = certificate.model_dump(mode="json")
    if not timings:
        for name in _TIMINGS:
            del content["counts"][name]
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def parse_certificate(text: str | bytes) -> Certificate:
    """The certificate in a JSON text. Raises ``pydantic.ValidationError`` (a ValueError)."""
    return Certificate.model_validate_json(text)


def certificate_schema() -> dict[str, Any]:
    """The JSON Schema of ``certificate.json`` (draft 2020-12)."""
    schema = Certificate.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def digest_of(certificate: Certificate) -> str:
    """The SHA-256 of the canonical JSON without timings, digest and signature."""
    bare = certificate.model_copy(update={"digest": None, "signature": None})
    return sha256(canonical_json(bare).encode()).hexdigest()


def seal(certificate: Certificate) -> Certificate:
    """The certificate with its digest filled in."""
    return certificate.model_copy(update={"digest": digest_of(certificate), "signature": None})


def verify(certificate: Certificate) -> bool:
    """Whether the certificate carries the digest of its own content."""
    return certificate.digest is not None and certificate.digest == digest_of(certificate)
