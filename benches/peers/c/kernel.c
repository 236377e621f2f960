// The kernel's part of a child: the CPU time of this thread in each system call that starts and collects one, as a
// floor makes them, as childset does to spawn, and as it does to launch. Called by src/sections/kernel.rs, which
// describes the function.

#include "linux.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

enum { COPY, CLONE, ADD, WAIT, WAITID, DELETE, CLOSE, CALLS };
enum { FLOOR, SPAWN, LAUNCH };
enum { CLOCKS = 1000 };

static double spent[CALLS];

static struct place places[PLACES];
static struct start {
    char *program;
    int kind;
    int standard[3];  // Copies of the parent's, where the child may meet others under their numbers.
} starts[PLACES];
static unsigned next_place;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static void run(void *data) {
    struct start *start = data;
    if (start->kind != FLOOR) {
        struct {
            void *handler;
            unsigned long flags;
            void *restorer;
            unsigned long mask;
        } by_default = {0};
        uint64_t none = 0;
        int last = 2;
        for (int number = 0; start->kind == LAUNCH && number < 3; number++)
            if (start->standard[number] > last) last = start->standard[number];
        syscall(SYS_close_range, last + 1, ~0U, UNSHARE);
        if (start->kind == LAUNCH) syscall(SYS_futex, &start->kind, FUTEX_WAKE, 1);
        for (int number = 0; start->kind == LAUNCH && number < 3; number++)
            syscall(SYS_dup3, start->standard[number], number, 0);
        if (start->kind == LAUNCH) syscall(SYS_close_range, 3, last, 0);
        syscall(SYS_rt_sigaction, SIGPIPE, &by_default, 0, sizeof none);
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
    }
    char *const arguments[] = {start->program, NULL};
    execve(start->program, arguments, environ);
    _exit(127);
}

// The child has left it, and what was only there for the child is closed.
static void leave(unsigned index) {
    struct start *start = &starts[index];
    await_left(&places[index]);
    if (!start->standard[0]) return;
    double begin = now();
    for (int number = 0; number < 3; number++) close(start->standard[number]);
    spent[CLOSE] += now() - begin;
    start->standard[0] = 0;
}

static int make(int epoll, char *program, int kind) {
    unsigned index = kind == LAUNCH ? next_place++ % PLACES : 0;
    struct start *start = &starts[index];
    leave(index);
    *start = (struct start){program, kind, {0}};
    double begin = now();
    for (int number = 0; kind == LAUNCH && number < 3; number++)
        if (!fcntl(number, F_GETFD)) start->standard[number] = fcntl(number, F_DUPFD_CLOEXEC, 3);
    double copied = now();
    uint64_t flags = kind == FLOOR ? CLONE_VFORK : CLONE_FILES | CLEAR_SIGHAND | (kind == SPAWN ? CLONE_VFORK : 0);
    int pidfd;
    long pid = make_process(flags, &pidfd, &places[index], run, start);
    if (pid < 0) return pid;
    double made = now();
    struct epoll_event event = {.events = EPOLLIN | (kind == FLOOR ? EPOLLONESHOT : 0), .data.fd = pidfd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) return -errno;
    spent[COPY] += copied - begin;
    spent[CLONE] += made - copied;
    spent[ADD] += now() - made;
    return 0;
}

static int collect(int epoll, int pidfd, int full) {
    siginfo_t info;
    struct rusage usage;
    double begin = now();
    long failed = syscall(SYS_waitid, PIDFD, pidfd, &info, WEXITED | (full ? WNOHANG : 0), full ? &usage : NULL);
    if (failed) return -errno;
    double collected = now();
    spent[WAITID] += collected - begin;
    if (full && epoll_ctl(epoll, EPOLL_CTL_DEL, pidfd, NULL) < 0) return -errno;
    double deleted = full ? now() : collected;
    spent[DELETE] += deleted - collected;
    close(pidfd);
    spent[CLOSE] += now() - deleted;
    return info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : -ECHILD;
}

int kernel_parts(char *program, int kind, int children, int in_flight, double *nanoseconds) {
    struct epoll_event events[64];
    for (int call = 0; call < CALLS; call++) spent[call] = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return -errno;
    int result = 0;
    for (int made = 0, ended = 0; ended < children && !result;) {
        for (; made < children && made - ended < in_flight && !result; made++) result = make(epoll, program, kind);
        if (result) break;
        double begin = now();
        int ready = epoll_wait(epoll, events, 64, -1);
        spent[WAIT] += now() - begin;
        if (ready < 0) result = -errno;
        for (int index = 0; index < ready && !result; index++, ended++)
            result = collect(epoll, events[index].data.fd, kind != FLOOR);
    }
    for (unsigned index = 0; index < PLACES; index++) leave(index);
    close(epoll);
    // What the clock itself took: once for each call that was measured. epoll_wait is called for several children.
    double begin = now();
    for (int clock = 1; clock < CLOCKS; clock++) now();
    double clock = (now() - begin) / CLOCKS;
    for (int call = 0; call < CALLS; call++) {
        double clocks = call == WAIT ? 0 : call == CLOSE && kind == LAUNCH ? 2 * clock : clock;
        double each = spent[call] / children - clocks;
        nanoseconds[call] = each > 0 ? each : 0;
    }
    return result;
}
