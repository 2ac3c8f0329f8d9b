/* Packets: sending, receiving, completing. */
#include <stdlib.h>
#include <string.h>

#include "example.h"

static void finish(VMBCHANNEL end, VMBPACKET packet, NTSTATUS status)
{
    packet->status = status;
    append(&end->done, packet);
}

/* Every packet of the list ends its transaction without success. */
void cancel(VMBCHANNEL end, struct packet_list *list)
{
    while (list->head)
        finish(end, take_first(list), STATUS_CANCELLED);
}

void attach(VMBCHANNEL end)
{
    end->attached = true;
    end->hung_up = end->expected = false;
    end->failed = end->quota_reached = false;
    end->ring.read = end->ring.write;
}

/* ---- Sending ---------------------------------------------------------------------------- */

void transmit(VMBCHANNEL end)
{
    while (world.link_up && end->activity == RUNNING && end->queue.head) {
        VMBPACKET packet = end->queue.head;
        UINT32 wanted = packet->flags & VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION;
        struct message message = {++world.transaction, packet->length, wanted};
        if (!ring_put(&other(end)->ring, &message, packet->data))
            return;
        packet->transaction = message.transaction;
        take_first(&end->queue);
        if (wanted)
            append(&end->awaiting, packet);
        else
            finish(end, packet, STATUS_SUCCESS);
    }
}

NTSTATUS packet_send(VMBPACKET packet, PVOID buffer, UINT32 length, PMDL mdl, UINT32 flags)
{
    VMBCHANNEL end = packet->end;
    NTSTATUS status = STATUS_SUCCESS;
    enter();
    if (packet->in_flight || (!packet->routine && !packet->allocated) ||
        (flags & ~VMBUS_CHANNEL_FORMAT_FLAGS) || (!buffer && length) ||
        length > packet->capacity || length > end->configuration.maximum_packet) {
        status = STATUS_INVALID_PARAMETER;
    } else if (mdl) {
        status = STATUS_NOT_SUPPORTED;
    } else if (end->connection == DISABLED) {
        status = STATUS_INVALID_DEVICE_STATE;
    } else {
        if (length)
            memcpy(packet->data, buffer, length);
        packet->length = length;
        packet->flags = flags;
        packet->in_flight = true;
        append(&end->queue, packet);
        transmit(end);
    }
    leave();
    return status;
}

bool completions_done(const void *what)
{
    const struct _VMBCHANNEL *end = what;
    return !end->done.head && !end->completing;
}

static void unlink_packet(VMBPACKET packet)
{
    VMBPACKET *place = &packet->end->packets;
    while (*place && *place != packet)
        place = &(*place)->next_sibling;
    if (*place)
        *place = packet->next_sibling;
}

/* Completion routines stay away from Started, as everything does that a peer has caused. */
static bool completion_is_due(const void *what)
{
    const struct _VMBCHANNEL *end = what;
    return end->quit || (end->done.head && end->activity != STARTING && !end->crashed);
}

void *run_completion(void *argument)
{
    VMBCHANNEL end = argument;
    begin_thread();
    while (await(completion_is_due, end) && !end->quit) {
        VMBPACKET packet = take_first(&end->done);
        UINT8 *answer = packet->answer;
        packet->answer = NULL;
        packet->in_flight = false;
        if (!packet->routine) {
            unlink_packet(packet);
            free(packet);
        } else {
            /* The routine may send or free the packet: it is not ours any more. */
            PFN_VMB_PACKET_COMPLETION_ROUTINE routine = packet->routine;
            NTSTATUS status = packet->status;
            UINT32 length = answer ? packet->answer_length : 0;
            end->completing = true;
            if (before_callback(end)) {
                routine(packet, status, answer, length);
                after_callback();
            }
            end->completing = false;
        }
        free(answer);
    }
    end_thread();
    return NULL;
}

/* ---- Receiving -------------------------------------------------------------------------- */

static bool quota_is_used(const struct _VMBCHANNEL *end)
{
    return end->quota && end->outstanding >= end->quota;
}

static bool may_receive(const struct _VMBCHANNEL *end)
{
    return end->activity == RUNNING && world.link_up && !end->halting && !end->failed &&
           !end->quota_reached && !ring_is_empty(&end->ring);
}

static bool has_work(const void *what)
{
    const struct _VMBCHANNEL *end = what;
    if (KMCL_EXAMPLE_DEFECT == DEFECT_FLOOD && end->activity == RUNNING)
        return true;
    return end->quit || end->receiving || may_receive(end);
}

/* Take a packet out of the account of the driver. */
static void retire(VMBPACKETCOMPLETION context)
{
    VMBCHANNEL end = context->end;
    VMBPACKETCOMPLETION *place = &end->incoming;
    while (*place != context)
        place = &(*place)->next;
    *place = context->next;
    end->outstanding--;
    if (!quota_is_used(end))
        end->quota_reached = false;
    free(context);
}

/* Send the completion back, if anybody is still waiting for it. */
static void answer(VMBPACKETCOMPLETION context, const void *data, UINT32 length)
{
    VMBCHANNEL peer = other(context->end);
    if (!context->message.wanted || !world.link_up || context->link != world.link)
        return;
    VMBPACKET packet = take_transaction(&peer->awaiting, context->message.transaction);
    if (!packet)
        return;
    if (data && length && (packet->answer = malloc(length))) {
        memcpy(packet->answer, data, length);
        packet->answer_length = length;
    }
    finish(peer, packet, STATUS_SUCCESS);
}

static void deliver(VMBCHANNEL end)
{
    PFN_VMB_CHANNEL_PROCESS_PACKET process = end->configuration.process_packet;
    VMBPACKETCOMPLETION context = ring_take(&end->ring);
    if (!context) {
        end->failed = true; /* rather than lose a message, or believe a peer that lies */
        return;
    }
    context->end = end;
    context->link = world.link;
    context->next = end->incoming;
    end->incoming = context;
    end->outstanding++;
    end->batch++;
    if (other(end))
        transmit(other(end)); /* there is room again */
    if (!process) {
        answer(context, NULL, 0);
        retire(context);
    } else if (before_callback(end)) {
        process(end, context, context->data, context->message.length, 0);
        after_callback();
    }
}

static void report_batch(VMBCHANNEL end)
{
    PFN_VMB_CHANNEL_PROCESSING_COMPLETE complete = end->configuration.processing_complete;
    UINT32 processed = end->batch + (KMCL_EXAMPLE_DEFECT == DEFECT_BATCH);
    end->batch = 0;
    if (complete && before_callback(end)) {
        complete(end, processed);
        after_callback();
    }
}

void *run_receive(void *argument)
{
    VMBCHANNEL end = argument;
    begin_thread();
    while (await(has_work, end) && !end->quit) {
        if (may_receive(end) && quota_is_used(end))
            end->quota_reached = true;
        if (may_receive(end)) {
            end->receiving = true;
            deliver(end);
        } else if (end->batch ||
                   (KMCL_EXAMPLE_DEFECT == DEFECT_FLOOD && end->activity == RUNNING)) {
            report_batch(end);
        } else {
            end->receiving = false;
        }
    }
    end_thread();
    return NULL;
}

VOID channel_set_quota(VMBCHANNEL end, UINT32 quota)
{
    enter();
    /* A queue that stands because of the old quota goes on standing (VmbChannelSetTransactionQuota
     * promises no more than that a completion wakes it). */
    if (!end->receiving && may_receive(end) && quota_is_used(end))
        end->quota_reached = true;
    end->quota = quota;
    leave();
}

VOID packet_complete(VMBPACKETCOMPLETION context, PVOID buffer, UINT32 length)
{
    enter();
    if (KMCL_EXAMPLE_DEFECT == DEFECT_CRASH && context->message.wanted && !length)
        length = *(volatile UINT8 *)buffer;
    answer(context, buffer, length);
    retire(context);
    leave();
}

VOID packet_fail(VMBPACKETCOMPLETION context)
{
    enter();
    context->end->failed = true;
    retire(context);
    leave();
}

/* ---- Packet objects --------------------------------------------------------------------- */

UINT32 packet_size(VMBCHANNEL end)
{
    enter();
    UINT32 size = (UINT32)(sizeof(struct _VMBPACKET) + padded(end->configuration.maximum_packet));
    leave();
    return size;
}

static void set_up(VMBPACKET packet, VMBCHANNEL end, size_t size)
{
    memset(packet, 0, sizeof *packet);
    packet->end = end;
    packet->capacity = (UINT32)(size - sizeof *packet);
}

VMBPACKET packet_allocate(VMBCHANNEL end)
{
    UINT32 size = packet_size(end);
    VMBPACKET packet = malloc(size);
    enter();
    if (packet) {
        set_up(packet, end, size);
        packet->allocated = true;
        packet->next_sibling = end->packets;
        end->packets = packet;
    }
    leave();
    return packet;
}

NTSTATUS packet_initialize(VMBCHANNEL end, VMBPACKET packet, UINT32 size)
{
    if (size < packet_size(end))
        return STATUS_INVALID_PARAMETER_3;
    enter();
    set_up(packet, end, size);
    leave();
    return STATUS_SUCCESS;
}

VOID packet_free(VMBPACKET packet)
{
    enter();
    if (packet->allocated && !packet->in_flight) {
        unlink_packet(packet);
        free(packet);
    }
    leave();
}

/* Everything that hangs on an end. Memory that the driver lent stays the driver's. */
void free_packets(VMBCHANNEL end)
{
    for (VMBPACKET packet = end->done.head; packet; packet = packet->next) {
        free(packet->answer);
        packet->answer = NULL;
    }
    for (VMBPACKET packet = end->packets, next; packet; packet = next) {
        next = packet->next_sibling;
        free(packet);
    }
    for (VMBPACKETCOMPLETION context = end->incoming, next; context; context = next) {
        next = context->next;
        free(context);
    }
    free(end->ring.bytes);
}

VMBCHANNEL packet_channel(VMBPACKET packet)
{
    enter();
    VMBCHANNEL end = packet->end;
    leave();
    return end;
}

VOID packet_set_pointer(VMBPACKET packet, PVOID pointer)
{
    enter();
    packet->pointer = pointer;
    leave();
}

PVOID packet_get_pointer(VMBPACKET packet)
{
    enter();
    PVOID pointer = packet->pointer;
    leave();
    return pointer;
}

VOID packet_set_routine(VMBPACKET packet, PFN_VMB_PACKET_COMPLETION_ROUTINE routine)
{
    enter();
    packet->routine = routine;
    leave();
}
