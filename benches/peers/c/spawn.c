// The floor of a spawn, with many children outstanding.
// spawn flat|copy OUTSTANDING BATCH inherit|pipe RESIDENT_MIB PAUSING PROGRAM prints what `Cost` in
// src/spawn/cost.rs reads.

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
enum { UNSHARE = 2 };           // CLOSE_RANGE_UNSHARE
enum { LOW = 64, HIGH = 1024 };  // Descriptors that no child needs go to HIGH.

static _Alignas(16) char stack[64 * 1024];
static bool flat, piped;
static int epoll;

struct start {
    char *program;
    int output;
};

static int run(void *data) {
    struct start *start = data;
    int last = start->output > 2 ? start->output : 2;
    if (flat && syscall(SYS_close_range, last + 1, ~0U, UNSHARE) < 0) _exit(126);
    if (start->output > 2 && dup2(start->output, 1) < 0) _exit(126);
    char *const arguments[] = {start->program, NULL};
    execve(start->program, arguments, environ);
    _exit(127);
}

static int out_of_the_way(int fd) {
    if (!flat || fd < LOW || fd >= HIGH) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);
    if (moved < 0) err(1, "F_DUPFD_CLOEXEC");
    close(fd);
    return moved;
}

static pid_t spawn(char *program) {
    int pidfd, ends[2] = {-1, -1};
    if (piped && pipe2(ends, O_CLOEXEC) < 0) err(1, "pipe2");
    if (piped) ends[0] = out_of_the_way(ends[0]);
    struct start start = {program, ends[1]};
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (flat ? CLONE_FILES : 0) | SIGCHLD;
    pid_t pid = clone(run, stack + sizeof stack, flags, &start, &pidfd);
    if (pid < 0) err(1, "clone");
    if (piped) close(ends[1]);
    pidfd = out_of_the_way(pidfd);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = pidfd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) err(1, "epoll_ctl");
    return pid;
}

static long long wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long sum_ns(const struct rusage *usage) {
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000LL +
           (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000LL;
}

static long long cpu_ns(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) < 0) err(1, "getrusage");
    return sum_ns(&usage);
}

static int compare(const void *a, const void *b) {
    long long first = *(const long long *)a, second = *(const long long *)b;
    return (first > second) - (first < second);
}

int main(int argc, char **argv) {
    if (argc != 8) errx(2, "usage: spawn flat|copy OUTSTANDING BATCH inherit|pipe RESIDENT_MIB PAUSING PROGRAM");
    flat = strcmp(argv[1], "flat") == 0;
    piped = strcmp(argv[4], "pipe") == 0;
    long outstanding = atol(argv[2]), batch = atol(argv[3]), count = 0;
    if (batch < 1) errx(2, "no batch");
    size_t resident = (size_t)atol(argv[5]) << 20;
    char *memory = malloc(resident + 1);
    pid_t *pids = calloc(outstanding + batch + 1, sizeof *pids);
    long long *walls = calloc(batch + 1, sizeof *walls);
    if (!memory || !pids || !walls) err(1, "malloc");
    memset(memory, 1, resident);
    __asm__ volatile("" : : "r"(memory) : "memory");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) err(1, "epoll_create1");

    while (count < outstanding) pids[count++] = spawn(argv[6]);
    long long cpu = cpu_ns(), children = 0;
    for (long i = 0; i < batch; i++) {
        walls[i] = wall_ns();
        pids[count++] = spawn(argv[7]);
        walls[i] = wall_ns() - walls[i];
    }
    cpu = cpu_ns() - cpu;
    qsort(walls, batch, sizeof *walls, compare);

    for (long i = 0; i < count; i++) kill(pids[i], SIGKILL);
    for (long i = 0; i < count; i++) {
        int status;
        struct rusage usage;
        if (wait4(pids[i], &status, 0, &usage) < 0) err(1, "wait4");
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0) errx(1, "a child did not run");
        if (i >= outstanding) children += sum_ns(&usage);
    }
    printf("%lld %lld %lld\n", walls[batch / 2], cpu / batch, children / batch);
}
