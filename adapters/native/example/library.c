/* The function table, channels and their configuration. */
#include <stdlib.h>

#include "example.h"

enum { DEFAULT_MAXIMUM_PACKET = 4096, LARGEST_PACKET = 1 << 24 };

static VOID destroy(VMBCHANNEL end)
{
    free_packets(end);
    free(end);
}

static void *(*const runs[THREADS])(void *) = {
    [CONTROL_THREAD] = run_control,
    [RECEIVE_THREAD] = run_receive,
    [COMPLETION_THREAD] = run_completion,
};

/* Needs the lock; gives it up while it waits. */
static void stop_threads(VMBCHANNEL end, int count)
{
    end->quit = true;
    leave_for_a_while();
    for (int i = 0; i < count; i++)
        pthread_join(end->threads[i], NULL);
    enter_again();
}

static NTSTATUS allocate(PDEVICE_OBJECT parent, BOOLEAN is_server, VMBCHANNEL *channel)
{
    (void)parent;
    VMBCHANNEL *place = &world.ends[is_server ? SERVER : CLIENT], end = calloc(1, sizeof *end);
    if (!end)
        return STATUS_INSUFFICIENT_RESOURCES;
    end->is_server = is_server;
    end->configuration.maximum_packet = DEFAULT_MAXIMUM_PACKET;
    end->configuration.any_type = end->configuration.any_instance = true;
    clear_list(&end->queue);
    clear_list(&end->awaiting);
    clear_list(&end->done);

    enter();
    int started = 0;
    if (!*place && !world.dying) /* this library knows one channel */
        while (started < THREADS && start_thread(&end->threads[started], runs[started], end))
            started++;
    if (started < THREADS)
        stop_threads(end, started);
    else
        *channel = *place = end;
    leave();
    if (started == THREADS)
        return STATUS_SUCCESS;
    destroy(end);
    return STATUS_INSUFFICIENT_RESOURCES;
}

static VOID cleanup(VMBCHANNEL end)
{
    enter();
    bool clean = await_rest(end) && await(completions_done, end); /* else the driver is at fault */
    if (clean) {
        stop_threads(end, THREADS);
        world.ends[end->is_server ? SERVER : CLIENT] = NULL;
    }
    leave();
    if (clean)
        destroy(end);
}

/* ---- Configuration: legal on a disabled channel only -------------------------------------- */

/* Enters the library; whoever gets a failure has left it again. */
static NTSTATUS configure(VMBCHANNEL end, bool role_fits, NTSTATUS arguments)
{
    enter();
    NTSTATUS status = !role_fits || !await_rest(end) ? STATUS_INVALID_PARAMETER_1 : arguments;
    if (!NT_SUCCESS(status))
        leave();
    return status;
}

#define CONFIGURE(end, role_fits, arguments, assignment)                                          \
    do {                                                                                          \
        NTSTATUS status_ = configure(end, role_fits, arguments);                                  \
        if (NT_SUCCESS(status_)) {                                                                \
            struct configuration *settings = &(end)->configuration;                               \
            (void)settings;                                                                       \
            assignment;                                                                           \
            leave();                                                                              \
        }                                                                                         \
        return status_;                                                                           \
    } while (0)

static NTSTATUS set_context_size(VMBCHANNEL end, UINT32 size)
{
    (void)size; /* no function of this version reaches the context */
    CONFIGURE(end, true, STATUS_SUCCESS, );
}

static NTSTATUS set_flags(VMBCHANNEL end, UINT32 flags)
{
    bool legal = !(flags & ~VMBUS_CHANNEL_INIT_FLAGS);
    CONFIGURE(end, true, legal ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_2, );
}

static NTSTATUS set_server_flags(VMBCHANNEL end, UINT32 flags)
{
    bool legal = !(flags & ~VMBUS_SERVER_CHANNEL_INIT_FLAGS);
    CONFIGURE(end, end->is_server, legal ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_2, );
}

static NTSTATUS set_friendly_name(VMBCHANNEL end, PCUNICODE_STRING name)
{
    CONFIGURE(end, true, name ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_2, );
}

static NTSTATUS set_external_data(VMBCHANNEL end, UINT32 size, UINT32 chain_length)
{
    NTSTATUS status = !size           ? STATUS_INVALID_PARAMETER_2
                      : !chain_length ? STATUS_INVALID_PARAMETER_3
                                      : STATUS_SUCCESS;
    CONFIGURE(end, true, status, );
}

static NTSTATUS set_packet_size(VMBCHANNEL end, UINT32 size)
{
    bool legal = size && size <= LARGEST_PACKET;
    CONFIGURE(end, true, legal ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_2,
              settings->maximum_packet = size);
}

static NTSTATUS set_packet_handlers(VMBCHANNEL end, PFN_VMB_CHANNEL_PROCESS_PACKET process,
                                    PFN_VMB_CHANNEL_PROCESSING_COMPLETE complete)
{
    CONFIGURE(end, true, process ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_2, {
        settings->process_packet = process;
        settings->processing_complete = complete;
    });
}

static NTSTATUS set_state_handlers(VMBCHANNEL end, PVMB_CHANNEL_STATE_CHANGE_CALLBACKS handlers)
{
    bool legal = handlers && handlers->Version == VMB_CHANNEL_STATE_CHANGE_CALLBACKS_VERSION &&
                 handlers->Size == sizeof *handlers;
    CONFIGURE(end, true, legal ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_2,
              settings->state = *handlers);
}

static NTSTATUS set_pages(VMBCHANNEL end, UINT32 incoming, UINT32 outgoing)
{
    enum { LIMIT = 1 << 16 };
    bool legal = incoming <= LIMIT && outgoing <= LIMIT;
    CONFIGURE(end, !end->is_server, legal ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER, {
        settings->incoming_pages = incoming;
        settings->outgoing_pages = outgoing;
    });
}

static NTSTATUS set_target(VMBCHANNEL end, LPCGUID type, LPCGUID instance,
                           PFN_VMB_CHANNEL_PNP_FAILURE failed)
{
    static const GUID none;
    CONFIGURE(end, !end->is_server, type ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_2, {
        settings->type = *type;
        settings->instance = instance ? *instance : none;
        settings->any_type = false;
        settings->any_instance = !instance;
        settings->pnp_failure = failed;
    });
}

static NTSTATUS set_offer(VMBCHANNEL end, GUID type, GUID instance)
{
    CONFIGURE(end, end->is_server, STATUS_SUCCESS, {
        settings->type = type;
        settings->instance = instance;
    });
}

static NTSTATUS set_vmbus(VMBCHANNEL end, HANDLE vmbus)
{
    (void)vmbus; /* there is one guest only */
    CONFIGURE(end, end->is_server, STATUS_SUCCESS, );
}

static VOID set_pointer(VMBCHANNEL end, PVOID pointer)
{
    enter();
    end->pointer = pointer;
    leave();
}

static NTSTATUS set_latency(VMBCHANNEL end, UINT16 latency, UINT16 *original)
{
    enter();
    *original = end->latency;
    end->latency = latency;
    leave();
    return STATUS_SUCCESS;
}

static PVOID get_pointer(VMBCHANNEL end)
{
    enter();
    PVOID pointer = end->pointer;
    leave();
    return pointer;
}

/* ---- Extras ------------------------------------------------------------------------------- */

static BOOLEAN reset(VOID)
{
    enter_again();
    end_world();
    leave_for_a_while();
    for (int i = SERVER; i <= CLIENT; i++) {
        VMBCHANNEL end = world.ends[i];
        for (int thread = 0; end && thread < THREADS; thread++)
            pthread_join(end->threads[thread], NULL);
        if (end)
            destroy(end);
        world.ends[i] = NULL;
    }
    enter_again();
    world.link_up = world.dying = false;
    leave_for_a_while();
    return true;
}

static VOID act(VMBCHANNEL end, KMCL_ACTION action)
{
    enter();
    switch (action) {
    case KmclActionCrash:
        end->crashed = true;
        hang_up(end);
        break;
    case KmclActionMalformed:
        if (world.link_up)
            ring_put_garbage(&other(end)->ring);
        break;
    case KmclActionSpurious:
        break; /* all look, nobody finds anything */
    }
    leave();
}

static const KMCL_TABLE table = {
    .Size = sizeof(KMCL_TABLE),
    .Version = KMCL_TABLE_VERSION,
    .Name = "kmcl example",
    .LibraryVersion = "1.0",
    .Capabilities = "server client crash malformed spurious",
    .Reset = reset,
    .WaitIdle = wait_idle,
    .Act = act,
    .VmbChannelAllocate = allocate,
    .VmbChannelCleanup = cleanup,
    .VmbChannelDisable = channel_disable,
    .VmbChannelEnable = channel_enable,
    .VmbChannelGetPointer = get_pointer,
    .VmbChannelInitSetClientContextSize = set_context_size,
    .VmbChannelInitSetFlags = set_flags,
    .VmbChannelInitSetFriendlyName = set_friendly_name,
    .VmbChannelInitSetMaximumExternalData = set_external_data,
    .VmbChannelInitSetMaximumPacketSize = set_packet_size,
    .VmbChannelInitSetProcessPacketCallbacks = set_packet_handlers,
    .VmbChannelInitSetStateChangeCallbacks = set_state_handlers,
    .VmbChannelPacketComplete = packet_complete,
    .VmbChannelPacketFail = packet_fail,
    .VmbChannelPause = channel_pause,
    .VmbChannelSetInterruptLatency = set_latency,
    .VmbChannelSetPointer = set_pointer,
    .VmbChannelSetTransactionQuota = channel_set_quota,
    .VmbChannelSizeofPacket = packet_size,
    .VmbChannelStart = channel_start,
    .VmbClientChannelInitSetRingBufferPageCount = set_pages,
    .VmbClientChannelInitSetTargetPnp = set_target,
    .VmbPacketAllocate = packet_allocate,
    .VmbPacketFree = packet_free,
    .VmbPacketGetChannel = packet_channel,
    .VmbPacketGetPointer = packet_get_pointer,
    .VmbPacketInitialize = packet_initialize,
    .VmbPacketSend = packet_send,
    .VmbPacketSetCompletionRoutine = packet_set_routine,
    .VmbPacketSetPointer = packet_set_pointer,
    .VmbServerChannelInitSetFlags = set_server_flags,
    .VmbServerChannelInitSetTargetInterfaceId = set_offer,
    .VmbServerChannelInitSetVmbusHandle = set_vmbus,
};

const KMCL_TABLE *KmclGetTable(UINT32 Version)
{
    return Version == KMCL_TABLE_VERSION ? &table : NULL;
}
