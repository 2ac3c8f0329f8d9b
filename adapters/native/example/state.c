/* Connection and activity of an end: the control thread, and the calls that steer it. */
#include <string.h>

#include "example.h"

enum step { NOTHING, WITHDRAW, REPORT_FAILURE, OPEN_SERVER, OPEN_CLIENT, START, SUSPEND, CLOSE };

bool at_rest(const void *what)
{
    const struct _VMBCHANNEL *end = what;
    return end->connection == DISABLED && !end->finishing;
}

bool is_leaving(const struct _VMBCHANNEL *end)
{
    return end->disabling || end->hung_up;
}

/* A driver may know that its handler has returned before we do: then give it a moment. */
bool await_rest(VMBCHANNEL end)
{
    bool soon = end->finishing || end->connection == CLOSING || end->connection == OPENING;
    return at_rest(end) || (soon && await_briefly(at_rest, end));
}

static bool same(const GUID *a, const GUID *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool matches(const struct _VMBCHANNEL *server, const struct _VMBCHANNEL *client)
{
    const struct configuration *offer = &server->configuration, *target = &client->configuration;
    return (target->any_type || same(&target->type, &offer->type)) &&
           (target->any_instance || same(&target->instance, &offer->instance));
}

static bool accepts_offer(const struct _VMBCHANNEL *client)
{
    return client && client->connection == ENABLED && !client->expected && !client->refused &&
           !client->disabling && !client->quit && !client->crashed;
}

static enum step next_step(const struct _VMBCHANNEL *end)
{
    if (end->crashed)
        return NOTHING;
    switch (end->connection) {
    case ENABLED:
        if (end->disabling)
            return WITHDRAW;
        if (end->failure)
            return REPORT_FAILURE;
        if (end->is_server && accepts_offer(world.ends[CLIENT]) &&
            matches(end, world.ends[CLIENT]))
            return OPEN_SERVER;
        return NOTHING;
    case OPENING:
        return OPEN_CLIENT;
    case OPEN:
        if (end->activity == RUNNING)
            return is_leaving(end) || end->stop ? SUSPEND : NOTHING;
        if (is_leaving(end))
            return CLOSE;
        return end->paused ? NOTHING : START;
    default:
        return NOTHING;
    }
}

/* The link is no more: what is in it is lost, and both ends get their packets back. */
void hang_up(VMBCHANNEL end)
{
    VMBCHANNEL peer = other(end);
    if (world.link_up) {
        world.link_up = false;
        for (int i = SERVER; i <= CLIENT; i++)
            if (world.ends[i]) {
                cancel(world.ends[i], &world.ends[i]->awaiting);
                world.ends[i]->ring.read = world.ends[i]->ring.write;
            }
    }
    if (peer) {
        peer->hung_up |= peer->attached;
        peer->expected = false;
    }
}

static void become_disabled(VMBCHANNEL end)
{
    end->connection = DISABLED; /* no send is accepted from here on */
    cancel(end, &end->queue);
    end->finishing = end->disabling; /* nothing may be called once Disable has returned */
    if (end->finishing)
        await(completions_done, end);
    end->attached = end->hung_up = end->disabling = end->finishing = false;
    end->refused = false;
    end->failure = STATUS_SUCCESS;
    end->disables++;
}

static NTSTATUS call_opened(VMBCHANNEL end)
{
    PFN_VMB_CHANNEL_OPENED opened = end->configuration.state.EvtChannelOpened;
    NTSTATUS status = STATUS_SUCCESS;
    if (opened && before_callback(end)) {
        status = opened(end);
        after_callback();
    }
    return status;
}

static void call_state_handler(VMBCHANNEL end, VOID (*handler)(VMBCHANNEL))
{
    if (handler && before_callback(end)) {
        handler(end);
        after_callback();
    }
}

/* The server goes first: a client has nobody to talk to before its offer was honoured. */
static void open_server(VMBCHANNEL end)
{
    VMBCHANNEL client = world.ends[CLIENT];
    const struct configuration *sizes = &client->configuration;
    if (!prepare_ring(&end->ring, sizes->outgoing_pages, sizes->maximum_packet) ||
        !prepare_ring(&client->ring, sizes->incoming_pages, end->configuration.maximum_packet)) {
        client->refused = true;
        client->failure = STATUS_INSUFFICIENT_RESOURCES;
        return;
    }
    client->expected = true;
    attach(end);
    world.link_up = true;
    world.link++;
    end->connection = OPENING;
    NTSTATUS status = call_opened(end);
    client = world.ends[CLIENT]; /* may be gone by now */
    bool expected = client && client->expected;
    if (!NT_SUCCESS(status)) {
        hang_up(end);
        end->attached = end->hung_up = false;
        end->connection = ENABLED;
        if (expected) {
            client->refused = true;
            client->failure = status;
        }
        return;
    }
    end->connection = OPEN;
    if (expected) {
        attach(client);
        client->connection = OPENING;
    }
}

static void open_client(VMBCHANNEL end)
{
    if (NT_SUCCESS(call_opened(end))) {
        end->connection = OPEN;
        return;
    }
    hang_up(end);
    become_disabled(end);
}

static void start(VMBCHANNEL end)
{
    end->activity = STARTING;
    call_state_handler(end, end->configuration.state.EvtChannelStarted);
    end->activity = RUNNING;
    end->quota_reached = false;
    transmit(end);
    if (!end->stop && !is_leaving(end))
        call_state_handler(end, end->configuration.state.EvtChannelPostStarted);
}

static bool not_receiving(const void *what)
{
    const struct _VMBCHANNEL *end = what;
    return !end->receiving;
}

static bool drained(const void *what)
{
    const struct _VMBCHANNEL *end = what;
    return end->outstanding == 0;
}

static void suspend(VMBCHANNEL end)
{
    end->halting = true;
    if (!await(not_receiving, end))
        return;
    end->activity = SUSPENDING;
    end->halting = end->stop = false;
    call_state_handler(end, end->configuration.state.EvtChannelSuspend);
    if (!await(drained, end))
        return;
    end->activity = STOPPED;
    end->stops++;
}

static void close_end(VMBCHANNEL end)
{
    bool local = end->disabling;
    cancel(end, &end->queue);
    if (!await(completions_done, end))
        return;
    end->connection = CLOSING;
    if (KMCL_EXAMPLE_DEFECT != DEFECT_CLOSED || !local)
        call_state_handler(end, end->configuration.state.EvtChannelClosed);
    if (!end->is_server || end->disabling) {
        become_disabled(end);
        return;
    }
    end->attached = end->hung_up = false;
    end->connection = ENABLED;
}

static bool has_step(const void *what)
{
    const struct _VMBCHANNEL *end = what;
    return end->quit || next_step(end) != NOTHING;
}

void *run_control(void *argument)
{
    VMBCHANNEL end = argument;
    begin_thread();
    while (await(has_step, end) && !end->quit) {
        switch (next_step(end)) {
        case WITHDRAW:
            become_disabled(end);
            break;
        case REPORT_FAILURE: {
            PFN_VMB_CHANNEL_PNP_FAILURE failed = end->configuration.pnp_failure;
            NTSTATUS status = end->failure;
            end->failure = STATUS_SUCCESS;
            if (failed && before_callback(end)) {
                failed(end, status);
                after_callback();
            }
            break;
        }
        case OPEN_SERVER:
            open_server(end);
            break;
        case OPEN_CLIENT:
            open_client(end);
            break;
        case START:
            start(end);
            break;
        case SUSPEND:
            suspend(end);
            break;
        case CLOSE:
            close_end(end);
            break;
        case NOTHING:
            break;
        }
    }
    end_thread();
    return NULL;
}

/* ---- Calls ------------------------------------------------------------------------------ */

NTSTATUS channel_enable(VMBCHANNEL end)
{
    enter();
    NTSTATUS status = STATUS_INVALID_DEVICE_STATE;
    if (await_rest(end)) {
        end->connection = ENABLED;
        end->paused = end->is_server || end->keep_paused;
        end->stop = false;
        if (end->is_server && world.ends[CLIENT])
            world.ends[CLIENT]->refused = false; /* a new offer */
        status = STATUS_SUCCESS;
    }
    leave();
    return status;
}

/* A count that some call waits to see move, because its end may have moved on again since. */
struct progress {
    VMBCHANNEL end;
    UINT64 before;
};

static bool was_disabled(const void *what)
{
    const struct progress *progress = what;
    return progress->end->disables != progress->before || at_rest(progress->end);
}

VOID channel_disable(VMBCHANNEL end)
{
    enter();
    if (at_rest(end)) {
        await(completions_done, end);
    } else {
        struct progress progress = {end, end->disables};
        end->disabling |= end->connection != DISABLED;
        if (end->attached || end->expected)
            hang_up(end);
        end->expected = false;
        await(was_disabled, &progress);
    }
    leave();
}

static bool was_suspended(const void *what)
{
    const struct progress *progress = what;
    return progress->end->stops != progress->before || progress->end->activity == STOPPED;
}

VOID channel_pause(VMBCHANNEL end)
{
    enter();
    if (KMCL_EXAMPLE_DEFECT == DEFECT_HANG)
        enter();
    struct progress progress = {end, end->stops};
    end->paused = true;
    end->keep_paused |= at_rest(end);
    end->stop |= end->activity == STARTING || end->activity == RUNNING;
    await(was_suspended, &progress);
    leave();
}

VOID channel_start(VMBCHANNEL end)
{
    enter();
    end->paused = end->keep_paused = false;
    leave();
}
