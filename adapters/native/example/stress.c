/*
 * A driver for both ends that does everything at once, for the sanitizers: traffic in both
 * directions while the ends are paused, started, disabled and enabled again.
 *
 * It checks what holds in any interleaving: each accepted send is completed exactly once, each
 * Opened has its Closed and each Started its Suspend, no ProcessPacket overlaps Suspend, and
 * nothing is called any more once Disable has returned.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "example.h"

enum { ROUNDS = 100, PACKETS = 8, HELD = 3 };

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                       \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

static const KMCL_TABLE *kmcl;

struct driver {
    VMBCHANNEL channel;
    atomic_int opened, started, processing, inside, sent, completed, received;
    pthread_mutex_t lock;
    VMBPACKETCOMPLETION held[HELD];
    VMBPACKET idle[PACKETS];
    int idle_count;
    bool suspended;
} drivers[2];

static struct driver *driver_of(VMBCHANNEL channel)
{
    return kmcl->VmbChannelGetPointer(channel);
}

static void give_back(struct driver *driver)
{
    VMBPACKETCOMPLETION taken[HELD];
    pthread_mutex_lock(&driver->lock);
    memcpy(taken, driver->held, sizeof taken);
    memset(driver->held, 0, sizeof driver->held);
    pthread_mutex_unlock(&driver->lock);
    for (int i = 0; i < HELD; i++)
        if (taken[i])
            kmcl->VmbChannelPacketComplete(taken[i], "answer", i * 3);
}

static NTSTATUS opened(VMBCHANNEL channel)
{
    struct driver *driver = driver_of(channel);
    CHECK(atomic_fetch_add(&driver->opened, 1) == 0);
    return STATUS_SUCCESS;
}

static VOID closed(VMBCHANNEL channel)
{
    struct driver *driver = driver_of(channel);
    CHECK(atomic_fetch_sub(&driver->opened, 1) == 1);
    CHECK(driver->started == 0 && driver->processing == 0);
}

static VOID suspend_handler(VMBCHANNEL channel)
{
    struct driver *driver = driver_of(channel);
    CHECK(atomic_fetch_sub(&driver->started, 1) == 1);
    CHECK(driver->processing == 0);
    pthread_mutex_lock(&driver->lock);
    driver->suspended = true;
    pthread_mutex_unlock(&driver->lock);
    give_back(driver);
}

static VOID started(VMBCHANNEL channel)
{
    struct driver *driver = driver_of(channel);
    CHECK(driver->opened == 1 && driver->processing == 0);
    CHECK(atomic_fetch_add(&driver->started, 1) == 0);
    pthread_mutex_lock(&driver->lock);
    driver->suspended = false;
    pthread_mutex_unlock(&driver->lock);
}

static VOID post_started(VMBCHANNEL channel)
{
    CHECK(driver_of(channel)->channel == channel);
}

static VOID process(VMBCHANNEL channel, VMBPACKETCOMPLETION packet, PVOID buffer, UINT32 length,
                    UINT32 flags)
{
    struct driver *driver = driver_of(channel);
    CHECK(atomic_fetch_add(&driver->processing, 1) == 0);
    CHECK(driver->started == 1 && flags == 0 && length == ((UINT8 *)buffer)[0] + 1u);
    int place = driver->received++ % (HELD + 1);
    pthread_mutex_lock(&driver->lock);
    bool hold = place < HELD && !driver->held[place];
    if (hold)
        driver->held[place] = packet;
    pthread_mutex_unlock(&driver->lock);
    if (!hold) {
        kmcl->VmbChannelPacketComplete(packet, buffer, length);
        give_back(driver);
    }
    atomic_fetch_sub(&driver->processing, 1);
}

static VOID batch(VMBCHANNEL channel, UINT32 count)
{
    CHECK(count > 0 && driver_of(channel)->processing == 0);
}

static VOID completed(VMBPACKET packet, NTSTATUS status, PVOID buffer, UINT32 length)
{
    struct driver *driver = driver_of(kmcl->VmbPacketGetChannel(packet));
    CHECK(NT_SUCCESS(status) || (!buffer && !length));
    driver->completed++;
    pthread_mutex_lock(&driver->lock);
    CHECK(driver->idle_count < PACKETS);
    driver->idle[driver->idle_count++] = packet;
    pthread_mutex_unlock(&driver->lock);
}

static void send_one(struct driver *driver, unsigned *seed)
{
    UINT8 data[256];
    UINT32 length = (UINT32)rand_r(seed) % sizeof data + 1;
    VMBPACKET packet = NULL;
    memset(data, (int)length - 1, length);
    pthread_mutex_lock(&driver->lock);
    if (driver->idle_count)
        packet = driver->idle[--driver->idle_count];
    pthread_mutex_unlock(&driver->lock);
    if (!packet)
        return;
    if (NT_SUCCESS(kmcl->VmbPacketSend(packet, data, length, NULL, (UINT32)rand_r(seed) & 1))) {
        driver->sent++;
        return;
    }
    pthread_mutex_lock(&driver->lock);
    driver->idle[driver->idle_count++] = packet;
    pthread_mutex_unlock(&driver->lock);
}

static atomic_bool finished;

static void *send_for_ever(void *argument)
{
    struct driver *driver = argument;
    unsigned seed = (unsigned)(driver - drivers) + 1;
    while (!finished) {
        send_one(driver, &seed);
        if (rand_r(&seed) % 4 == 0)
            give_back(driver);
        if (rand_r(&seed) % 64 == 0)
            kmcl->VmbChannelSetTransactionQuota(driver->channel, (UINT32)rand_r(&seed) % 4);
    }
    return NULL;
}

/* Packets that a test left with the driver would keep the ends from ever draining. */
static void *complete_for_ever(void *argument)
{
    (void)argument;
    while (!finished)
        for (int i = SERVER; i <= CLIENT; i++)
            give_back(&drivers[i]);
    return NULL;
}

static void *control_for_ever(void *argument)
{
    struct driver *driver = argument;
    unsigned seed = (unsigned)(driver - drivers) + 7;
    for (int round = 0; round < ROUNDS; round++) {
        (void)!kmcl->VmbChannelEnable(driver->channel);
        kmcl->VmbChannelStart(driver->channel);
        for (int i = rand_r(&seed) % 4; i; i--) {
            for (int looks = rand_r(&seed) % 256; looks; looks--) {
                send_one(driver, &seed);
                sched_yield();
            }
            kmcl->VmbChannelPause(driver->channel);
            kmcl->VmbChannelStart(driver->channel);
        }
        if (rand_r(&seed) % 2)
            kmcl->VmbChannelDisable(driver->channel);
    }
    kmcl->VmbChannelDisable(driver->channel);
    CHECK(driver->opened == 0 && driver->started == 0 && driver->processing == 0);
    return NULL;
}

static void set_up(struct driver *driver, bool is_server)
{
    VMB_CHANNEL_STATE_CHANGE_CALLBACKS state = {
        VMB_CHANNEL_STATE_CHANGE_CALLBACKS_VERSION, sizeof state,
        opened, closed, suspend_handler, started, post_started,
    };
    memset(driver, 0, sizeof *driver);
    pthread_mutex_init(&driver->lock, NULL);
    CHECK(NT_SUCCESS(kmcl->VmbChannelAllocate(NULL, is_server, &driver->channel)));
    kmcl->VmbChannelSetPointer(driver->channel, driver);
    CHECK(NT_SUCCESS(kmcl->VmbChannelInitSetMaximumPacketSize(driver->channel, 256)));
    CHECK(NT_SUCCESS(kmcl->VmbChannelInitSetStateChangeCallbacks(driver->channel, &state)));
    CHECK(NT_SUCCESS(
        kmcl->VmbChannelInitSetProcessPacketCallbacks(driver->channel, process, batch)));
    if (!is_server)
        CHECK(NT_SUCCESS(
            kmcl->VmbClientChannelInitSetRingBufferPageCount(driver->channel, 1, 1)));
    for (int i = 0; i < PACKETS; i++) {
        driver->idle[i] = kmcl->VmbPacketAllocate(driver->channel);
        kmcl->VmbPacketSetCompletionRoutine(driver->idle[i], completed);
    }
    driver->idle_count = PACKETS;
}

static void run(bool clean)
{
    pthread_t threads[5];
    UINT32 calls, callbacks;
    finished = false;
    for (int i = SERVER; i <= CLIENT; i++)
        set_up(&drivers[i], i == SERVER);
    for (int i = SERVER; i <= CLIENT; i++) {
        pthread_create(&threads[i], NULL, control_for_ever, &drivers[i]);
        pthread_create(&threads[2 + i], NULL, send_for_ever, &drivers[i]);
    }
    pthread_create(&threads[4], NULL, complete_for_ever, NULL);
    pthread_join(threads[SERVER], NULL);
    pthread_join(threads[CLIENT], NULL);
    finished = true;
    for (int i = 2; i < 5; i++)
        pthread_join(threads[i], NULL);
    CHECK(kmcl->WaitIdle(1000, &calls, &callbacks) && calls == 0 && callbacks == 0);
    for (int i = SERVER; i <= CLIENT; i++) {
        struct driver *driver = &drivers[i];
        CHECK(driver->sent == driver->completed && driver->idle_count == PACKETS);
        CHECK(driver->opened == 0 && driver->started == 0);
        printf("%s: %d sent, %d received\n", i == SERVER ? "server" : "client", driver->sent,
               driver->received);
        if (clean)
            kmcl->VmbChannelCleanup(driver->channel);
    }
    CHECK(kmcl->Reset());
    for (int i = SERVER; i <= CLIENT; i++)
        pthread_mutex_destroy(&drivers[i].lock);
}

int main(void)
{
    kmcl = KmclGetTable(KMCL_TABLE_VERSION);
    CHECK(kmcl && kmcl->Size == sizeof *kmcl && !KmclGetTable(KMCL_TABLE_VERSION + 1));
    run(true);
    run(false);
    puts("ok");
    return 0;
}
