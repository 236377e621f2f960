// The floor: as few system calls a child as Linux allows, and no library in between.
// floor CHILDREN IN_FLIGHT PROGRAM prints what `Sample` in src/measure.rs reads.

#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
enum { PIDFD = 3 };  // P_PIDFD, which older headers lack

// CLONE_VFORK suspends the parent until the child has left it, so one is enough for all.
static _Alignas(16) char stack[64 * 1024];

static int run(void *program) {
    char *const arguments[] = {program, NULL};
    execve(program, arguments, environ);
    _exit(127);
}

static void start(int epoll, char *program) {
    int pidfd;
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
    if (clone(run, stack + sizeof stack, flags, program, &pidfd) < 0) err(1, "clone");
    // Oneshot saves EPOLL_CTL_DEL: a child that is at its execve still holds copies of the descriptors, so
    // closing one does not always end its registration.
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = pidfd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) err(1, "epoll_ctl");
}

static void reap(int pidfd) {
    siginfo_t info;
    if (waitid(PIDFD, pidfd, &info, WEXITED) < 0) err(1, "waitid");
    if (info.si_code != CLD_EXITED || info.si_status != 0) errx(1, "the child failed");
    close(pidfd);
}

static long long wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long cpu_ns(int who) {
    struct rusage usage;
    if (getrusage(who, &usage) < 0) err(1, "getrusage");
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

// As src/syscalls.rs says.
static void block_sigchld_if_traced(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    if (getenv("PEERS_TRACED") && sigprocmask(SIG_BLOCK, &signals, NULL) < 0) err(1, "sigprocmask");
}

int main(int argc, char **argv) {
    if (argc != 4) errx(2, "usage: floor CHILDREN IN_FLIGHT PROGRAM");
    long children = atol(argv[1]), in_flight = atol(argv[2]), started = 0, ended = 0;
    block_sigchld_if_traced();
    long long wall = wall_ns(), process = cpu_ns(RUSAGE_SELF), thread = cpu_ns(RUSAGE_THREAD);

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) err(1, "epoll_create1");
    while (ended < children) {
        for (; started < children && started - ended < in_flight; started++) start(epoll, argv[3]);
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        if (count < 0) err(1, "epoll_wait");
        for (int i = 0; i < count; i++) reap(events[i].data.fd);
        ended += count;
    }

    process = cpu_ns(RUSAGE_SELF) - process;
    thread = cpu_ns(RUSAGE_THREAD) - thread;
    printf("%lld %lld %lld\n", wall_ns() - wall, process, thread);
}
