"""What the package offers by itself, and that an end in a guest does not pay for it."""

import subprocess
import sys

import pytest

import kmcl_adapters.host as package
from kmcl_adapters.host.host import VmbusHost
from kmcl_adapters.host.scripted import ScriptedGuest


def test_the_names_are_those_of_the_modules() -> None:
    assert (package.VmbusHost, package.ScriptedGuest) == (VmbusHost, ScriptedGuest)


def test_every_name_has_a_place_and_no_other_is_there() -> None:
    assert list(package._PLACES) == package.__all__
    with pytest.raises(AttributeError, match=r"module kmcl_adapters\.host has no Nobody"):
        _ = package.Nobody


def test_the_clients_end_does_not_load_the_host() -> None:
    code = "import sys, kmcl_adapters.host.client; print('kmcl_adapters.host.host' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert told.stdout == "False\n"
