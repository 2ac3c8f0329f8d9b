"""``python3 -m kmcl_lab.hosting``: boot a guest as its machine and its VMBus host."""

from __future__ import annotations

import argparse
import mmap
import os
import sys
from pathlib import Path
from typing import Final

from kmcl_adapters.host.channel import HostOffer
from kmcl_lab.problem import LabProblem
from kmcl_lab.vmm.machine import Program
from kmcl_lab.vmm.shown import Sizes

from .byhand import ByHandCommands
from .commands import HostCommands
from .control import serve
from .program import Descriptors, Hosting

__all__ = ["main"]

_WITHOUT_BUS: Final = "kmcl_without=hv_vmbus,hv_utils,uio_hv_generic"
"""Of the guest's command line: its first program finds it among its variables."""


def _stream(text: str) -> int:
    """A number is a descriptor that we have inherited, all else a device."""
    return int(text) if text.isdigit() else os.open(text, os.O_RDWR | os.O_NOCTTY)


def _mapped(path: Path) -> mmap.mmap:
    """The machine may show it to its guest, which cannot change it."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def main(arguments: list[str]) -> int:
    """Until the control connection is closed; 1 where there can be no machine."""
    parser = argparse.ArgumentParser(prog="python3 -m kmcl_lab.hosting", description=__doc__)
    parser.add_argument("--kernel", type=Path, required=True)
    parser.add_argument("--initrd", type=Path, required=True)
    parser.add_argument("--memory", type=int, default=512, help="MiB")
    parser.add_argument("--processors", type=int, default=1)
    parser.add_argument("--offer", metavar="GUID", action="append", default=[], help="a class")
    parser.add_argument(
        "--by-hand",
        action="store_true",
        help="answer nothing by itself; the guest boots without the driver of the bus",
    )
    for name in ("guest", "monitor", "console"):
        parser.add_argument(f"--{name}", required=True, help="a device, or a descriptor's number")
    chosen = parser.parse_args(arguments)
    sys.setswitchinterval(0.0005)  # the processor's thread and ours take turns
    try:
        shown = [_mapped(chosen.kernel), _mapped(chosen.initrd)]
        program = Program(shown[0], shown[1])
        sizes = Sizes(chosen.memory << 20, len(shown[0]), len(shown[1]))
        program = program._replace(command=f"{program.command} {sizes.word()}")
        if chosen.by_hand:
            program = program._replace(command=f"{program.command} {_WITHOUT_BUS}")
        streams = Descriptors(_stream(chosen.guest), _stream(chosen.console))
        hosting = Hosting(
            program, streams, memory=chosen.memory, processors=chosen.processors, shown=shown
        )
    except (LabProblem, OSError) as problem:
        print(f"kmcl: {problem}", file=sys.stderr)
        return 1
    commands = HostCommands(hosting)
    table = commands.table()
    if chosen.by_hand:
        table |= ByHandCommands(hosting).table()
    for class_id in chosen.offer if not chosen.by_hand else ():
        commands.offer(class_id=HostOffer(class_id).complete().class_id)
    hosting.start()
    serve(_stream(chosen.monitor), table)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads sit in the kernel
