// The floors: C that spawns and collects a child with no library in between, and with as few system calls as we know
// how. There are four: the parent waits for the `execve` of its child or does not, and the child copies the descriptor
// table or shares it until it copies the few descriptors that it needs. Called by src/contenders/floor.rs, which
// describes each function; errors are returned as -errno.

#include "linux.h"

#include <fcntl.h>

enum { LOW = 64, HIGH = 1024 };  // Where the table is shared, descriptors that no child needs go to HIGH.

static struct epoll_event events[64];
static int epoll, fetched, taken, waits, shares;

struct start {
    char *program;
    int output, error;
};

// As many as can be on their way to `execve`: the next one waits for the oldest. If the parent waits, one is enough.
static struct place places[PLACES];
static struct start starts[PLACES];
static int kept[PLACES];  // The child's end of its pipe, or 0.
static unsigned next_place;

// On the memory of its parent, which may go on meanwhile: if that fails, `errno` is the parent's, too.
static void run(void *data) {
    struct start *start = data;
    int last = start->output > 2 ? start->output : 2;
    if (shares && syscall(SYS_close_range, last + 1, ~0U, UNSHARE) < 0) goto failed;
    if (start->output > 2 && dup2(start->output, 1) < 0) goto failed;
    char *const arguments[] = {start->program, NULL};
    execve(start->program, arguments, environ);
failed:
    start->error = errno;
    _exit(127);
}

static int out_of_the_way(int fd) {
    if (!shares || fd < LOW || fd >= HIGH) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);
    if (moved < 0) return fd;
    close(fd);
    return moved;
}

// Afterwards the place is free, and the child's end of its pipe is closed here.
static void leave(unsigned index) {
    await_left(&places[index]);
    if (kept[index]) close(kept[index]);
    kept[index] = 0;
}

int floor_new(int parent_waits, int child_shares) {
    waits = parent_waits;
    shares = child_shares;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll < 0 ? -errno : 0;
}

int floor_spawn(char *program, int piped, uint32_t tag, uint32_t *pid) {
    unsigned index = waits ? 0 : next_place++ % PLACES;
    leave(index);
    int pidfd, ends[2] = {-1, -1};
    if (piped && pipe2(ends, O_CLOEXEC) < 0) return -errno;
    if (piped) ends[0] = out_of_the_way(ends[0]);
    struct start *start = &starts[index];
    *start = (struct start){program, ends[1], 0};
    uint64_t flags = (waits ? CLONE_VFORK : 0) | (shares ? CLONE_FILES : 0);
    long made = make_process(flags, &pidfd, &places[index], run, start);
    if (made < 0) return made;
    // What fails later in a child that nobody waits for is seen by its status.
    if (waits && start->error) return -start->error;
    // The table that is shared needs the child's end until the child has left it.
    if (piped && !waits && shares) kept[index] = ends[1];
    else if (piped) close(ends[1]);
    pidfd = out_of_the_way(pidfd);
    // Oneshot saves EPOLL_CTL_DEL: a child that is at its execve still holds copies of the descriptors, so
    // closing one does not always end its registration.
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint64_t)tag << 32 | pidfd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) return -errno;
    *pid = made;
    return 0;
}

void floor_settle(void) {
    for (unsigned index = 0; index < PLACES; index++) leave(index);
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
