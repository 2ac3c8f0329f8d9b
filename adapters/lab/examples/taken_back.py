"""A guest's driver and a host that takes a channel back in the midst of its opening.

python adapters/lab/examples/taken_back.py                  the driver of this distribution
python adapters/lab/examples/taken_back.py ./my-modules     yours; see kmcl lab build --kernel
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kmcl_lab.images import Images, build, default_cache
from kmcl_lab.lab import Lab
from kmcl_lab.machine import HostKind
from kmcl_lab.problem import LabProblem

__all__ = ["is_taken_back", "run"]


def is_taken_back(ask: Callable[..., Any], use: Callable[[str], object]) -> list[str]:
    """The driver must let go of the channel, and open it when it comes again; what it said.

    ``ask`` has the host carry out a command, ``use`` has the guest begin to use an instance. What
    does not come raises what ``ask`` raises.
    """
    ask("rule", name="OPENCHANNEL_RESULT", action="hold")  # one answer that the driver waits for
    channel = ask("offer")
    use(channel["instance"])
    first = ask("wait-for", name="OPENCHANNEL", child_relid=channel["relid"])
    ask("rescind", relid=channel["relid"])
    ask("wait-for", name="RELID_RELEASED", child_relid=channel["relid"])
    again = ask("offer", instance=channel["instance"])
    use(again["instance"])
    ask("wait-for", name="OPENCHANNEL_RESULT", child_relid=again["relid"])
    said = [name for _, _, sender, name, *_ in ask("trace", since=first[0]) if sender == "guest"]
    return [name for name in said if name != "GPADL_BODY"]


def run(images: Images, logs: Path) -> list[str]:
    """The same with Linux, whose driver for programs opens a channel when a program does."""

    def use(instance: str) -> None:
        device = lab.bind(instance)
        lab.guest.start(["sh", "-c", f"exec cat < {device}"])

    with Lab(images, logs, host=HostKind.PROGRAMMABLE, tell=print) as lab:
        return is_taken_back(lab.ask_host, use)


if __name__ == "__main__":
    try:
        print(*run(build(default_cache(), *sys.argv[1:2], tell=print), Path("kmcl-out/taken-back")))
    except LabProblem as problem:
        sys.exit(f"FAILED: {problem}")
