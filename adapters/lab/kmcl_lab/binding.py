"""Devices of the guest for programs: given to ``uio_hv_generic``, and waited for until it has
them. A device comes a moment after its offer, and its node after that."""

from __future__ import annotations

from typing import Final

from .channel import Channel
from .problem import LabProblem

__all__ = ["SECONDS", "bind", "script"]

SECONDS: Final = 10
"""Until a device is given up."""
_LOOKS_EACH: Final = 50
"""In a second."""
_SCRIPT: Final = """\
{{ echo {device_class} > {root}/sys/bus/vmbus/drivers/uio_hv_generic/new_id; }} 2> /dev/null
i=0
while [ $i -lt {looks} ]; do
    for device in {root}/sys/bus/vmbus/devices/{instance}; do
        [ -d $device/uio ] && [ "$(cat $device/class_id)" = "{{{device_class}}}" ] || continue
        for node in $device/uio/uio*; do
            [ -e {root}/dev/${{node##*/}} ] && echo /dev/${{node##*/}} && exit
        done
    done
    sleep {pause}; i=$((i+1))
done
exit 1
"""


def script(
    device_class: str, instance: str = "", *, seconds: float = SECONDS, root: str = ""
) -> str:
    """For a shell: prints the node, or fails after ``seconds``. ``root``: in front of /sys and
    /dev."""
    return _SCRIPT.format(
        device_class=device_class.lower(),
        instance=instance.lower() or "*",
        looks=max(1, round(seconds * _LOOKS_EACH)),
        pause=1 / _LOOKS_EACH,
        root=root,
    )


def bind(guest: Channel, device_class: str, instance: str = "") -> str:
    """The node, ``/dev/uioN``, of a device of that class, or of that very instance. Raises
    LabProblem where none comes, and GuestLost."""
    done = guest.run(["sh", "-c", script(device_class, instance)])
    if done.code:
        which = f"instance {instance}" if instance else f"class {device_class}"
        raise LabProblem(f"no VMBus device of {which} in the guest within {SECONDS} s")
    return done.output.decode().strip()
