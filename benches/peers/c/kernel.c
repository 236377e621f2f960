// The kernel's part of a child: the CPU time of this thread in each system call that starts and collects one.
// Called by src/sections/kernel.rs, which describes the function.

#include "linux.h"

#include <sys/resource.h>
#include <time.h>

enum { CLONE, ADD, WAIT, WAITID, DELETE, CLOSE, CALLS };
enum { CLOCKS = 1000 };

static double spent[CALLS];

struct start {
    char *program;
    int full;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static int run(void *data) {
    struct start *start = data;
    if (start->full) {
        struct {
            void *handler;
            unsigned long flags;
            void *restorer;
            unsigned long mask;
        } by_default = {0};
        uint64_t none = 0;
        syscall(SYS_close_range, 3, ~0U, UNSHARE);
        syscall(SYS_rt_sigaction, SIGPIPE, &by_default, 0, sizeof none);
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
    }
    char *const arguments[] = {start->program, NULL};
    execve(start->program, arguments, environ);
    _exit(127);
}

static int make(int epoll, struct start *start) {
    int pidfd, flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (start->full ? CLONE_FILES : 0) | SIGCHLD;
    double begin = now();
    if (clone(run, stack + sizeof stack, flags, start, &pidfd) < 0) return -errno;
    double made = now();
    struct epoll_event event = {.events = EPOLLIN | (start->full ? 0 : EPOLLONESHOT), .data.fd = pidfd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) return -errno;
    spent[CLONE] += made - begin;
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

int kernel_parts(char *program, int full, int children, int in_flight, double *nanoseconds) {
    struct start start = {program, full};
    struct epoll_event events[64];
    for (int call = 0; call < CALLS; call++) spent[call] = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return -errno;
    int result = 0;
    for (int made = 0, ended = 0; ended < children && !result;) {
        for (; made < children && made - ended < in_flight && !result; made++) result = make(epoll, &start);
        if (result) break;
        double begin = now();
        int ready = epoll_wait(epoll, events, 64, -1);
        spent[WAIT] += now() - begin;
        if (ready < 0) result = -errno;
        for (int index = 0; index < ready && !result; index++, ended++)
            result = collect(epoll, events[index].data.fd, full);
    }
    close(epoll);
    // What the clock itself took. epoll_wait is called for several children at once.
    double begin = now();
    for (int clock = 1; clock < CLOCKS; clock++) now();
    double clock = (now() - begin) / CLOCKS;
    for (int call = 0; call < CALLS; call++) {
        double each = spent[call] / children - (call == WAIT ? 0 : clock);
        nanoseconds[call] = each > 0 ? each : 0;
    }
    return result;
}
