/*
 * A KMCL of one channel: server and client end in one process, with real threads.
 *
 * One lock protects everything. Each end has three threads: one changes the state and calls the
 * state handlers, one delivers packets, one calls completion routines. So a PostStarted handler
 * may wait for packets. No handler is called with the lock held.
 *
 * Nobody signals anybody by hand: a thread that waits leaves its condition behind, and whoever
 * gives up the lock wakes those whose condition has come true. So no wake-up can be forgotten,
 * and "nothing more will happen" is a number: no thread is running inside the library.
 */
#ifndef KMCL_EXAMPLE_H
#define KMCL_EXAMPLE_H

#include <pthread.h>
#include <stdbool.h>

#include "../kmcl.h"

/* A defect built in on purpose, so that a tester can be seen to find it; 0: none. */
#ifndef KMCL_EXAMPLE_DEFECT
#define KMCL_EXAMPLE_DEFECT 0
#endif

enum defect {
    DEFECT_NONE = 0,
    DEFECT_BATCH = 1,  /* ProcessingComplete counts one packet too many */
    DEFECT_CRASH = 2,  /* a completion without an answer dereferences null */
    DEFECT_HANG = 3,   /* Pause takes the lock twice */
    DEFECT_CLOSED = 4, /* the end that called Disable gets no Closed */
    DEFECT_FLOOD = 5,  /* a started channel reports batches without an end */
};

enum { SERVER, CLIENT };
enum { CONTROL_THREAD, RECEIVE_THREAD, COMPLETION_THREAD, THREADS };

/* The two orthogonal parts of the state of an end. */
enum connection { DISABLED, ENABLED, OPENING, OPEN, CLOSING };
enum activity { STOPPED, STARTING, RUNNING, SUSPENDING };

/* A ring of bytes, kept at the end that reads it. Positions count up and never wrap. */
struct ring {
    UINT8 *bytes;
    size_t size, read, write;
};

struct message {
    UINT64 transaction;
    UINT32 length;
    UINT32 wanted; /* the sender waits for a completion */
};

/* A received packet, from ProcessPacket to Complete or Fail. */
struct _VMBPACKETCOMPLETION {
    VMBCHANNEL end;
    VMBPACKETCOMPLETION next;
    UINT64 link;
    struct message message;
    _Alignas(8) UINT8 data[];
};

/* An outgoing packet with room for the largest message, so that a send cannot run short. */
struct _VMBPACKET {
    VMBCHANNEL end;
    VMBPACKET next;         /* in the list that `in_flight` packets are in */
    VMBPACKET next_sibling; /* in the list of all packets the library allocated */
    PFN_VMB_PACKET_COMPLETION_ROUTINE routine;
    PVOID pointer;
    bool allocated, in_flight;
    UINT32 flags, length, capacity;
    UINT64 transaction;
    NTSTATUS status;
    UINT8 *answer;
    UINT32 answer_length;
    _Alignas(8) UINT8 data[];
};

struct packet_list {
    VMBPACKET head, *tail;
};

struct configuration {
    UINT32 maximum_packet, incoming_pages, outgoing_pages;
    VMB_CHANNEL_STATE_CHANGE_CALLBACKS state;
    PFN_VMB_CHANNEL_PROCESS_PACKET process_packet;
    PFN_VMB_CHANNEL_PROCESSING_COMPLETE processing_complete;
    PFN_VMB_CHANNEL_PNP_FAILURE pnp_failure;
    GUID type, instance;
    bool any_type, any_instance;
};

struct _VMBCHANNEL {
    bool is_server;
    bool quit;    /* the threads end */
    bool crashed; /* nobody is there any more: nothing is called, nothing is done */
    PVOID pointer;
    UINT16 latency; /* of the monitor, in 100 ns: there is none, but it is remembered */
    struct configuration configuration;
    pthread_t threads[THREADS];

    enum connection connection;
    bool expected;    /* client: the server is being asked whether it accepts */
    bool attached;    /* part of the present link, or of one that is being torn down */
    bool hung_up;     /* the other end has left the link */
    bool disabling;   /* Disable waits */
    bool finishing;   /* disabled, but completions are still being called */
    bool refused;     /* client: this offer was refused, wait for a new one */
    NTSTATUS failure; /* client: to be told to the PnP failure handler */
    UINT64 disables;  /* how often the end has become disabled */

    enum activity activity;
    bool paused;      /* the wish: Pause and Start change it, at any time */
    bool keep_paused; /* the wish was made while disabled and outlives Enable */
    bool stop;        /* a Pause wants its Suspend, whatever Start says meanwhile */
    bool halting;     /* no further packet is delivered: Suspend is next */
    UINT64 stops;     /* how often the end has been suspended and drained */

    struct ring ring;
    VMBPACKETCOMPLETION incoming; /* those the driver owns */
    UINT32 outstanding, quota, batch;
    bool quota_reached; /* the queue stands until a completion makes room */
    bool failed;        /* the queue stands until the next open */
    bool receiving;     /* the receive thread is in the middle of a batch */

    struct packet_list queue, awaiting, done;
    bool completing; /* a completion routine runs */
    VMBPACKET packets;
};

/* Everything there is. Fields are used with the lock held. */
struct world {
    VMBCHANNEL ends[2];
    bool link_up;
    UINT64 link, transaction; /* serial numbers */
    bool dying;               /* Reset runs: waits end, no handler is called any more */
};
extern struct world world;

static inline VMBCHANNEL other(VMBCHANNEL end)
{
    return world.ends[end->is_server ? CLIENT : SERVER];
}

/* monitor.c: the lock, waiting, and knowing that nothing more will happen. */
void enter(void);                /* a call of the driver enters the library */
void leave(void);                /* ... and leaves it */
void enter_again(void);          /* as enter, back from a place where the lock was given up */
void leave_for_a_while(void);    /* give up the lock, but stay inside */
bool before_callback(VMBCHANNEL end); /* false: do not call */
void after_callback(void);
typedef bool condition(const void *what);
bool await(condition *ready, const void *what); /* false: the world is dying */
bool await_briefly(condition *ready, const void *what);
bool start_thread(pthread_t *thread, void *(*run)(void *), void *argument);
void end_thread(void); /* the last act of a thread that holds the lock */
void begin_thread(void);
void end_world(void); /* wait until no thread, call or callback is inside; needs the lock */
BOOLEAN wait_idle(UINT32 milliseconds, UINT32 *calls, UINT32 *callbacks);

/* state.c */
bool at_rest(const void *end);
bool is_leaving(const struct _VMBCHANNEL *end);
bool await_rest(VMBCHANNEL end);
void hang_up(VMBCHANNEL end);
void *run_control(void *end);

/* ring.c */
size_t padded(size_t length);
bool prepare_ring(struct ring *ring, UINT32 pages, UINT32 maximum_packet);
bool ring_is_empty(const struct ring *ring);
bool ring_put(struct ring *ring, const struct message *message, const void *data);
bool ring_put_garbage(struct ring *ring);
VMBPACKETCOMPLETION ring_take(struct ring *ring); /* null: broken, or no memory */
void clear_list(struct packet_list *list);
void append(struct packet_list *list, VMBPACKET packet);
VMBPACKET take_first(struct packet_list *list);
VMBPACKET take_transaction(struct packet_list *list, UINT64 transaction);

/* packet.c */
void attach(VMBCHANNEL end);
void cancel(VMBCHANNEL end, struct packet_list *list);
bool completions_done(const void *end);
void transmit(VMBCHANNEL end);
void free_packets(VMBCHANNEL end);
void *run_receive(void *end);
void *run_completion(void *end);

/* The functions of the table that live outside library.c. */
NTSTATUS channel_enable(VMBCHANNEL end);
VOID channel_disable(VMBCHANNEL end);
VOID channel_pause(VMBCHANNEL end);
VOID channel_start(VMBCHANNEL end);
VOID channel_set_quota(VMBCHANNEL end, UINT32 quota);
UINT32 packet_size(VMBCHANNEL end);
VMBPACKET packet_allocate(VMBCHANNEL end);
NTSTATUS packet_initialize(VMBCHANNEL end, VMBPACKET packet, UINT32 size);
VOID packet_free(VMBPACKET packet);
VMBCHANNEL packet_channel(VMBPACKET packet);
VOID packet_set_pointer(VMBPACKET packet, PVOID pointer);
PVOID packet_get_pointer(VMBPACKET packet);
VOID packet_set_routine(VMBPACKET packet, PFN_VMB_PACKET_COMPLETION_ROUTINE routine);
NTSTATUS packet_send(VMBPACKET packet, PVOID buffer, UINT32 length, PMDL mdl, UINT32 flags);
VOID packet_complete(VMBPACKETCOMPLETION context, PVOID buffer, UINT32 length);
VOID packet_fail(VMBPACKETCOMPLETION context);

#endif
