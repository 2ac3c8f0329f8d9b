/* The ring of bytes between the ends, and lists of packets. */
#include <stdlib.h>
#include <string.h>

#include "example.h"

enum { PAGE = 4096, DEFAULT_PAGES = 4 };

size_t padded(size_t length)
{
    return (length + 7) & ~(size_t)7;
}

/* Any legal message fits an empty ring, whatever number of pages was asked for. */
bool prepare_ring(struct ring *ring, UINT32 pages, UINT32 maximum_packet)
{
    size_t least = sizeof(struct message) + padded(maximum_packet);
    size_t size = (size_t)(pages ? pages : DEFAULT_PAGES) * PAGE;
    if (size < least)
        size = least;
    if (ring->size != size) {
        UINT8 *bytes = realloc(ring->bytes, size);
        if (!bytes)
            return false;
        ring->bytes = bytes;
        ring->size = size;
    }
    ring->read = ring->write = 0;
    return true;
}

bool ring_is_empty(const struct ring *ring)
{
    return ring->read == ring->write;
}

static void ring_write(struct ring *ring, const void *data, size_t length)
{
    size_t place = ring->write % ring->size, first = ring->size - place;
    if (first > length)
        first = length;
    if (length) {
        memcpy(ring->bytes + place, data, first);
        memcpy(ring->bytes, (const UINT8 *)data + first, length - first);
    }
    ring->write += padded(length);
}

static void ring_peek(const struct ring *ring, size_t offset, void *data, size_t length)
{
    size_t place = (ring->read + offset) % ring->size, first = ring->size - place;
    if (first > length)
        first = length;
    memcpy(data, ring->bytes + place, first);
    memcpy((UINT8 *)data + first, ring->bytes, length - first);
}

bool ring_put(struct ring *ring, const struct message *message, const void *data)
{
    if (ring->size - (ring->write - ring->read) < sizeof *message + padded(message->length))
        return false;
    ring_write(ring, message, sizeof *message);
    ring_write(ring, data, message->length);
    return true;
}

/* What a peer with a defect, or bad intentions, may write: more than there is. */
bool ring_put_garbage(struct ring *ring)
{
    struct message message = {.length = (UINT32)ring->size};
    if (ring->size - (ring->write - ring->read) < sizeof message)
        return false;
    ring_write(ring, &message, sizeof message);
    return true;
}

/* The next message stays where it is if it is broken or there is no memory for it. */
VMBPACKETCOMPLETION ring_take(struct ring *ring)
{
    struct message message;
    ring_peek(ring, 0, &message, sizeof message);
    if (sizeof message + padded(message.length) > ring->write - ring->read)
        return NULL;
    VMBPACKETCOMPLETION context = malloc(sizeof *context + message.length);
    if (!context)
        return NULL;
    context->message = message;
    ring_peek(ring, sizeof message, context->data, message.length);
    ring->read += sizeof message + padded(message.length);
    return context;
}

/* ---- Lists ------------------------------------------------------------------------------ */

void clear_list(struct packet_list *list)
{
    list->head = NULL;
    list->tail = &list->head;
}

void append(struct packet_list *list, VMBPACKET packet)
{
    packet->next = NULL;
    *list->tail = packet;
    list->tail = &packet->next;
}

VMBPACKET take_first(struct packet_list *list)
{
    VMBPACKET packet = list->head;
    list->head = packet->next;
    if (!list->head)
        list->tail = &list->head;
    return packet;
}

VMBPACKET take_transaction(struct packet_list *list, UINT64 transaction)
{
    for (VMBPACKET *place = &list->head; *place; place = &(*place)->next) {
        VMBPACKET packet = *place;
        if (packet->transaction == transaction) {
            *place = packet->next;
            if (!*place)
                list->tail = place;
            return packet;
        }
    }
    return NULL;
}
