"""How each function of the header is called: names to handles before, handles to names after."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from kmcl_adapters.reference.library.configuration import POINTER_SIZE, TABLE_SIZE, StateTable
from kmcl_adapters.reference.library.enabling import wait_for_offer
from kmcl_adapters.reference.library.packet import Packet, Received
from kmcl_adapters.reference.library.scheduler import Wait
from kmcl_model.api import STATE_CHANGE_CALLBACKS
from kmcl_model.events import Argument
from kmcl_model.status import STATUS_SUCCESS

if TYPE_CHECKING:
    from kmcl_adapters.reference.library.channel import Channel

    from .activation import Activation
    from .driver import Driver

__all__ = ["CALLS", "Prepared"]


class Prepared(NamedTuple):
    """A call about to be made: the arguments as recorded, and the object that a name stands for."""

    arguments: tuple[Any, ...]
    target: Any = None


Returned: TypeAlias = tuple[int | None, tuple[Argument, ...]]
Prepare: TypeAlias = "Callable[[Driver, tuple[Argument, ...], Activation | None], Prepared | None]"
Execute: TypeAlias = "Callable[[Driver, Prepared], Returned | Wait]"

VOID: Final[Returned] = (None, ())


# Before the call: None means that it makes no sense and is skipped.


def on_channel(
    driver: Driver, arguments: tuple[Argument, ...], _: Activation | None
) -> Prepared | None:
    return None if driver.channel is None else Prepared(arguments)


def on_no_channel(
    driver: Driver, arguments: tuple[Argument, ...], _: Activation | None
) -> Prepared | None:
    if driver.channel is not None or bool(arguments[0]) != (driver.endpoint == "server"):
        return None
    return Prepared(arguments)


def on_disabled_channel(
    driver: Driver, arguments: tuple[Argument, ...], _: Activation | None
) -> Prepared | None:
    channel = driver.channel
    if channel is None or not channel.is_disabled() or driver.waiting():
        return None
    return Prepared(arguments)


def on_packet(
    driver: Driver, arguments: tuple[Argument, ...], activation: Activation | None
) -> Prepared | None:
    name = arguments[0]
    if name == "this" and activation is not None:
        name = activation.this
    packet = driver.packets.get(name)  # type: ignore[arg-type]
    if packet is None:
        return None
    return Prepared((name, *arguments[1:]), packet)


def on_idle_packet(
    driver: Driver, arguments: tuple[Argument, ...], activation: Activation | None
) -> Prepared | None:
    prepared = on_packet(driver, arguments, activation)
    return None if prepared is None or prepared.target.in_flight else prepared


def on_idle_allocated_packet(
    driver: Driver, arguments: tuple[Argument, ...], activation: Activation | None
) -> Prepared | None:
    prepared = on_idle_packet(driver, arguments, activation)
    return None if prepared is None or not prepared.target.allocated else prepared


def on_new_packet(
    driver: Driver, arguments: tuple[Argument, ...], _: Activation | None
) -> Prepared | None:
    if driver.channel is None or arguments[0] in driver.packets:
        return None
    return Prepared(arguments)


def on_new_memory(
    driver: Driver, arguments: tuple[Argument, ...], activation: Activation | None
) -> Prepared | None:
    if arguments[1] in ("sizeof", "sizeof-1") and driver.sizeof is None:
        return None
    return on_new_packet(driver, arguments, activation)


def on_context(
    driver: Driver, arguments: tuple[Argument, ...], activation: Activation | None
) -> Prepared | None:
    name = arguments[0]
    if name == "this" and activation is not None:
        name = activation.this
    received = driver.take_context(name)  # type: ignore[arg-type]
    return None if received is None else Prepared((name,), received)


def on_seen_context(
    driver: Driver, arguments: tuple[Argument, ...], activation: Activation | None
) -> Prepared | None:
    prepared = on_context(driver, arguments, activation)
    if prepared is None:
        return None
    (name,), received = prepared
    return Prepared((name, arguments[1], received.buffer), received)


# The call itself.


def live(driver: Driver) -> Channel:
    channel = driver.channel
    assert channel is not None
    return channel


def status_of(method: str) -> Execute:
    """A function of the channel that takes the arguments as they are and returns a status."""
    return lambda driver, prepared: (getattr(live(driver), method)(*prepared.arguments), ())


def allocate(driver: Driver, prepared: Prepared) -> Returned:
    driver.channel = driver.session.new_channel(driver, bool(prepared.arguments[0]))
    return 0, ()


def cleanup(driver: Driver, _: Prepared) -> Returned:
    live(driver).cleanup()
    driver.session.forget_channel(driver)
    driver.forget_all()
    return VOID


def set_process_packet_callbacks(driver: Driver, prepared: Prepared) -> Returned:
    process_packet, processing_complete = prepared.arguments
    status = live(driver).set_process_packet_callbacks(
        driver.on_process_packet if process_packet else None,
        driver.on_processing_complete if processing_complete else None,
    )
    return status, ()


def set_state_change_callbacks(driver: Driver, prepared: Prepared) -> Returned:
    version, size, names = prepared.arguments
    handlers = {
        name: driver.state_handler(name) for name in STATE_CHANGE_CALLBACKS if name in names
    }
    table = StateTable(version, TABLE_SIZE if size == "size" else size, handlers)
    return live(driver).set_state_change_callbacks(table), ()


def set_target_pnp(driver: Driver, prepared: Prepared) -> Returned:
    interface_type, instance, callback = prepared.arguments
    handler = driver.on_pnp_failure if callback else None
    return live(driver).set_target_pnp(interface_type, instance, handler), ()


def set_pointer(driver: Driver, prepared: Prepared) -> Returned:
    live(driver).set_pointer(prepared.arguments[0])
    return VOID


def get_pointer(driver: Driver, _: Prepared) -> Returned:
    return None, (live(driver).get_pointer(),)  # type: ignore[return-value]


def set_transaction_quota(driver: Driver, prepared: Prepared) -> Returned:
    live(driver).set_transaction_quota(prepared.arguments[0])
    return VOID


def set_interrupt_latency(driver: Driver, prepared: Prepared) -> Returned:
    status, before = live(driver).set_interrupt_latency(prepared.arguments[0])
    return status, (before,)


def enable(driver: Driver, _: Prepared) -> Returned | Wait:
    status = live(driver).enable()
    wait = wait_for_offer(live(driver)) if status == STATUS_SUCCESS else None
    if wait is None:
        return status, ()
    wait.status = status
    return wait


def disable(driver: Driver, _: Prepared) -> Returned | Wait:
    return live(driver).disable() or VOID


def pause(driver: Driver, _: Prepared) -> Returned | Wait:
    return live(driver).pause() or VOID


def start(driver: Driver, _: Prepared) -> Returned | Wait:
    return live(driver).start() or VOID


def sizeof_packet(driver: Driver, _: Prepared) -> Returned:
    driver.sizeof = live(driver).sizeof_packet()
    return None, (driver.sizeof,)


def packet_allocate(driver: Driver, prepared: Prepared) -> Returned:
    packet = live(driver).packet_allocate()
    if packet is not None:
        driver.name_packet(prepared.arguments[0], packet)
    return None, (packet is not None,)


def packet_initialize(driver: Driver, prepared: Prepared) -> Returned:
    name, size = prepared.arguments
    channel = live(driver)
    if size == "sizeof":
        size = driver.sizeof
    elif size == "sizeof-1":
        assert driver.sizeof is not None
        size = driver.sizeof - 1
    elif size == "maximum+pointer":
        size = channel.maximum_packet_size + POINTER_SIZE
    status, packet = channel.packet_initialize(size)
    if packet is not None:
        driver.name_packet(name, packet)
    return status, ()


def packet_free(driver: Driver, prepared: Prepared) -> Returned | Wait:
    packet: Packet = prepared.target
    driver.forget_packet(prepared.arguments[0])
    return live(driver).packet_free(packet) or VOID


def packet_get_channel(driver: Driver, prepared: Prepared) -> Returned:
    return None, (driver.handle_name(live(driver).packet_channel(prepared.target)),)


def packet_set_pointer(driver: Driver, prepared: Prepared) -> Returned:
    live(driver).packet_set_pointer(prepared.target, prepared.arguments[1])
    return VOID


def packet_get_pointer(driver: Driver, prepared: Prepared) -> Returned:
    return None, (live(driver).packet_pointer(prepared.target),)  # type: ignore[return-value]


def packet_set_completion_routine(driver: Driver, prepared: Prepared) -> Returned:
    live(driver).set_completion_routine(prepared.target, driver.on_completion)
    return VOID


def packet_send(driver: Driver, prepared: Prepared) -> Returned:
    name, buffer, flags = prepared.arguments
    packet: Packet = prepared.target
    status = live(driver).send(packet, buffer, flags)
    if status == 0 and packet.routine is None:
        driver.forget_packet(name)
    return status, ()


def packet_complete(driver: Driver, prepared: Prepared) -> Returned | Wait:
    received: Received = prepared.target
    return live(driver).packet_complete(received, prepared.arguments[1]) or VOID


def packet_fail(driver: Driver, prepared: Prepared) -> Returned | Wait:
    return live(driver).packet_fail(prepared.target) or VOID


CALLS: Final[dict[str, tuple[Prepare, Execute]]] = {
    "VmbChannelAllocate": (on_no_channel, allocate),
    "VmbChannelCleanup": (on_disabled_channel, cleanup),
    "VmbChannelInitSetClientContextSize": (on_channel, status_of("set_client_context_size")),
    "VmbChannelInitSetFlags": (on_channel, status_of("set_flags")),
    "VmbChannelInitSetFriendlyName": (on_channel, status_of("set_friendly_name")),
    "VmbChannelInitSetMaximumExternalData": (on_channel, status_of("set_maximum_external_data")),
    "VmbChannelInitSetMaximumPacketSize": (on_channel, status_of("set_maximum_packet_size")),
    "VmbChannelInitSetProcessPacketCallbacks": (on_channel, set_process_packet_callbacks),
    "VmbChannelInitSetStateChangeCallbacks": (on_channel, set_state_change_callbacks),
    "VmbClientChannelInitSetRingBufferPageCount": (
        on_channel,
        status_of("set_ring_buffer_page_count"),
    ),
    "VmbClientChannelInitSetTargetPnp": (on_channel, set_target_pnp),
    "VmbServerChannelInitSetFlags": (on_channel, status_of("set_server_flags")),
    "VmbServerChannelInitSetMmioMegabytes": (on_channel, status_of("set_mmio_megabytes")),
    "VmbServerChannelInitSetSaveRestorePacketCallbacks": (
        on_channel,
        status_of("set_save_restore_callbacks"),
    ),
    "VmbServerChannelInitSetTargetInterfaceId": (
        on_channel,
        status_of("set_target_interface_id"),
    ),
    "VmbServerChannelInitSetTargetVtl": (on_channel, status_of("set_target_vtl")),
    "VmbServerChannelInitSetVmbusHandle": (on_channel, status_of("set_vmbus_handle")),
    "VmbChannelSetPointer": (on_channel, set_pointer),
    "VmbChannelGetPointer": (on_channel, get_pointer),
    "VmbChannelSetTransactionQuota": (on_channel, set_transaction_quota),
    "VmbChannelSetInterruptLatency": (on_channel, set_interrupt_latency),
    "VmbChannelEnable": (on_channel, enable),
    "VmbChannelDisable": (on_channel, disable),
    "VmbChannelPause": (on_channel, pause),
    "VmbChannelStart": (on_channel, start),
    "VmbChannelSizeofPacket": (on_channel, sizeof_packet),
    "VmbPacketAllocate": (on_new_packet, packet_allocate),
    "VmbPacketInitialize": (on_new_memory, packet_initialize),
    "VmbPacketFree": (on_idle_allocated_packet, packet_free),
    "VmbPacketGetChannel": (on_packet, packet_get_channel),
    "VmbPacketSetPointer": (on_packet, packet_set_pointer),
    "VmbPacketGetPointer": (on_packet, packet_get_pointer),
    "VmbPacketSetCompletionRoutine": (on_idle_packet, packet_set_completion_routine),
    "VmbPacketSend": (on_idle_packet, packet_send),
    "VmbChannelPacketComplete": (on_seen_context, packet_complete),
    "VmbChannelPacketFail": (on_context, packet_fail),
}
"""For each function: the check before it, and the call."""
