// What floor.c and kernel.c have in common: headers, what older ones lack, and the children's stack.

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
enum { PIDFD = 3 };    // P_PIDFD
enum { UNSHARE = 2 };  // CLOSE_RANGE_UNSHARE

// CLONE_VFORK suspends the parent until the child has left it, so one is enough for all.
static _Alignas(16) char stack[64 * 1024];
