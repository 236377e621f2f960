// Preloaded into the test binaries: each thread gets a signal every 2 ms, all its life, and handles it without
// SA_RESTART. Programs that do not lie below $CHILDSET_HOSTILE are left alone. Those that end by `exit` say in the file
// $CHILDSET_HOSTILE_LOG how many signals they have handled.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MILLISECONDS 2

static int number;
static atomic_ulong handled;

static void handle(int signal) {
    (void)signal;
    atomic_fetch_add_explicit(&handled, 1, memory_order_relaxed);
}

// A timer of the calling thread. By system calls, since a copy of a process with threads may allocate nothing.
static int arm(void) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = number};
    event._sigev_un._tid = syscall(SYS_gettid);
    struct itimerspec every = {{0, MILLISECONDS * 1000000}, {0, MILLISECONDS * 1000000}};
    int timer;
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0) return -1;
    syscall(SYS_timer_settime, timer, 0, &every, NULL);
    return timer;
}

// A copy has no timers. One that was made with the signal blocked is about to become another program.
static void arm_copy(void) {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (!sigismember(&blocked, number)) arm();
}

__attribute__((constructor)) static void begin(void) {
    char path[4096] = "";
    const char *below = getenv("CHILDSET_HOSTILE");
    if (!below || readlink("/proc/self/exe", path, sizeof path - 1) < 0 || strncmp(path, below, strlen(below))) return;
    // One that `timeout` does not pass on.
    number = SIGURG;
    struct sigaction action = {.sa_handler = handle};
    sigaction(number, &action, NULL);
    pthread_atfork(NULL, NULL, arm_copy);
    arm();
}

__attribute__((destructor)) static void end(void) {
    const char *log = getenv("CHILDSET_HOSTILE_LOG");
    int file = number && log ? open(log, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (file >= 0) dprintf(file, "%lu\n", atomic_load(&handled));
}

struct start {
    void *(*run)(void *);
    void *argument;
};

static void *run(void *given) {
    struct start start = *(struct start *)given;
    free(given);
    int timer = arm();
    void *result = start.run(start.argument);
    if (timer >= 0) syscall(SYS_timer_delete, timer);
    return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    struct start *start = number ? malloc(sizeof *start) : NULL;
    if (!start) return create(thread, attributes, function, argument);
    *start = (struct start){function, argument};
    int error = create(thread, attributes, run, start);
    if (error) free(start);
    return error;
}
