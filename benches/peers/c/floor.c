// The floor: as few system calls a child as Linux allows, and no library in between. Called by
// src/contenders/floor.rs, which describes each function; errors are returned as -errno.

#include "linux.h"

#include <fcntl.h>

enum { LOW = 64, HIGH = 1024 };  // Flat: descriptors that no child needs go to HIGH.

static struct epoll_event events[64];
static int epoll, fetched, taken;

struct start {
    char *program;
    int flat, output, error;
};

static int run(void *data) {
    struct start *start = data;
    int last = start->output > 2 ? start->output : 2;
    if (start->flat && syscall(SYS_close_range, last + 1, ~0U, UNSHARE) < 0) goto failed;
    if (start->output > 2 && dup2(start->output, 1) < 0) goto failed;
    char *const arguments[] = {start->program, NULL};
    execve(start->program, arguments, environ);
failed:
    start->error = errno;
    _exit(127);
}

static int out_of_the_way(int fd, int flat) {
    if (!flat || fd < LOW || fd >= HIGH) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);
    if (moved < 0) return fd;
    close(fd);
    return moved;
}

int floor_new(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll < 0 ? -errno : 0;
}

int floor_spawn(char *program, int flat, int piped, uint32_t tag, uint32_t *pid) {
    int pidfd, ends[2] = {-1, -1};
    if (piped && pipe2(ends, O_CLOEXEC) < 0) return -errno;
    if (piped) ends[0] = out_of_the_way(ends[0], flat);
    struct start start = {program, flat, ends[1], 0};
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (flat ? CLONE_FILES : 0) | SIGCHLD;
    int made = clone(run, stack + sizeof stack, flags, &start, &pidfd);
    if (made < 0) return -errno;
    if (start.error) return -start.error;
    if (piped) close(ends[1]);
    pidfd = out_of_the_way(pidfd, flat);
    // Oneshot saves EPOLL_CTL_DEL: a child that is at its execve still holds copies of the descriptors, so
    // closing one does not always end its registration.
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint64_t)tag << 32 | pidfd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) return -errno;
    *pid = made;
    return 0;
}

int floor_next(uint32_t *tag, uint32_t *pid, int *success) {
    if (taken == fetched) {
        fetched = epoll_wait(epoll, events, 64, -1);
        taken = 0;
        if (fetched < 0) {
            fetched = 0;
            return -errno;
        }
    }
    uint64_t data = events[taken++].data.u64;
    siginfo_t info;
    if (waitid((idtype_t)PIDFD, (uint32_t)data, &info, WEXITED) < 0) return -errno;
    close((uint32_t)data);
    *tag = data >> 32;
    *pid = info.si_pid;
    *success = info.si_code == CLD_EXITED && info.si_status == 0;
    return 0;
}
