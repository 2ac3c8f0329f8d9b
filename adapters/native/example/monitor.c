/* The lock, waiting, and knowing that nothing more will happen. */
#define _POSIX_C_SOURCE 200809L /* clocks of condition variables */
#include <errno.h>
#include <time.h>

#include "example.h"

struct waiter {
    condition *ready;
    const void *what;
    pthread_cond_t wake;
    bool woken;
    bool timed; /* wakes up by itself, so it counts as running */
    struct waiter *next;
};

struct world world;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct waiter *waiters;
static UINT32 running;   /* threads inside the library that neither wait nor run a handler */
static UINT32 calls;     /* calls of the driver inside the library, waiting ones included */
static UINT32 callbacks; /* handlers of the driver entered and not yet returned from */

static void initialize(void)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void acquire(void)
{
    pthread_once(&once, initialize);
    pthread_mutex_lock(&lock);
}

/* Wake whoever has no more reason to wait. Called whenever the lock is about to be given up. */
static void wake(void)
{
    for (struct waiter *waiter = waiters; waiter; waiter = waiter->next) {
        if (!waiter->woken && (world.dying || waiter->ready(waiter->what))) {
            waiter->woken = true;
            if (!waiter->timed)
                running++;
            pthread_cond_signal(&waiter->wake);
        }
    }
    if (running == 0)
        pthread_cond_broadcast(&idle);
}

static void give_up(void)
{
    wake();
    pthread_mutex_unlock(&lock);
}

void enter(void)
{
    acquire();
    calls++;
    running++;
}

void leave(void)
{
    calls--;
    running--;
    give_up();
}

void leave_for_a_while(void)
{
    give_up();
}

void enter_again(void)
{
    acquire();
}

bool before_callback(VMBCHANNEL end)
{
    if (world.dying || end->crashed)
        return false;
    callbacks++;
    running--;
    give_up();
    return true;
}

void after_callback(void)
{
    acquire();
    callbacks--;
    running++;
}

static struct timespec after(UINT32 milliseconds)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += milliseconds / 1000;
    time.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

static void sleep_until_woken(struct waiter *self, const struct timespec *deadline)
{
    self->woken = false;
    self->next = waiters;
    waiters = self;
    if (!self->timed)
        running--;
    wake();
    int result = 0;
    while (!self->woken && result != ETIMEDOUT)
        result = deadline ? pthread_cond_timedwait(&self->wake, &lock, deadline)
                          : pthread_cond_wait(&self->wake, &lock);
    struct waiter **place = &waiters;
    while (*place != self)
        place = &(*place)->next;
    *place = self->next;
}

bool await(condition *ready, const void *what)
{
    struct waiter self = {.ready = ready, .what = what};
    if (ready(what) || world.dying)
        return !world.dying;
    pthread_cond_init(&self.wake, NULL);
    /* Between the wake-up and our turn somebody else may have changed the state again. */
    do
        sleep_until_woken(&self, NULL);
    while (!world.dying && !ready(what));
    pthread_cond_destroy(&self.wake);
    return !world.dying;
}

bool await_briefly(condition *ready, const void *what)
{
    enum { PATIENCE = 100 };
    struct waiter self = {.ready = ready, .what = what, .timed = true};
    struct timespec deadline = after(PATIENCE);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self.wake, &monotonic);
    if (!ready(what) && !world.dying)
        sleep_until_woken(&self, &deadline);
    pthread_cond_destroy(&self.wake);
    pthread_condattr_destroy(&monotonic);
    return !world.dying && ready(what);
}

bool start_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
    running++; /* on behalf of the thread, which may need a while to arrive */
    if (pthread_create(thread, NULL, run, argument) == 0)
        return true;
    running--;
    return false;
}

void begin_thread(void)
{
    acquire();
}

void end_thread(void)
{
    running--;
    give_up();
}

void end_world(void)
{
    world.dying = true;
    wake();
    while (running || calls || callbacks)
        pthread_cond_wait(&idle, &lock);
}

BOOLEAN wait_idle(UINT32 milliseconds, UINT32 *calls_inside, UINT32 *callbacks_inside)
{
    struct timespec deadline = after(milliseconds);
    int result = 0;
    acquire();
    while (running && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&idle, &lock, &deadline);
    bool is_idle = running == 0;
    *calls_inside = calls;
    *callbacks_inside = callbacks;
    pthread_mutex_unlock(&lock);
    return is_idle;
}
