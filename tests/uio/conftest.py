"""A host that is played, and a session with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from played import Host, Talk


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def talk(host: Host) -> Iterator[Talk]:
    talk = Talk(host)
    yield talk
    talk.session.close()
