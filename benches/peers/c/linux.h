// What floor.c and kernel.c have in common: headers, what older ones lack, and clone3 on a stack of the child's own.

#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
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
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#define CLEAR_SIGHAND (1ULL << 32)  // CLONE_CLEAR_SIGHAND
enum { PIDFD = 3 };                 // P_PIDFD
enum { UNSHARE = 2 };               // CLOSE_RANGE_UNSHARE

// CLONE_VFORK suspends the parent until the child has left its memory, so one stack is enough for all of them. A child
// that its parent does not wait for has a place of its own: the pid by CLONE_PARENT_SETTID, and 0 by
// CLONE_CHILD_CLEARTID once the child has left our memory.
enum { PLACES = 64, STACK = 64 * 1024 };
struct place {
    int pid;
    _Alignas(16) char stack[STACK];
};

struct new_process {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

// Returns in the parent alone: a pid or -errno. In the child, `run(data)` does not return.
static long make_process(uint64_t flags, int *pidfd, struct place *place, void (*run)(void *), void *data) {
    struct new_process args = {
        .flags = flags | CLONE_VM | CLONE_PIDFD,
        .pidfd = (uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t)place->stack,
        .stack_size = STACK,
    };
    if (!(flags & CLONE_VFORK)) {
        args.flags |= CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
        args.child_tid = args.parent_tid = (uintptr_t)&place->pid;
    }
#if defined __x86_64__
    long result = SYS_clone3;
    register void *r12 __asm__("r12") = data;
    register void (*r13)(void *) __asm__("r13") = run;
    __asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tmov %%r12, %%rdi\n\t"
                     "call *%%r13\n\tud2\n1:"
                     : "+a"(result)
                     : "D"(&args), "S"(sizeof args), "r"(r12), "r"(r13)
                     : "rcx", "r11", "memory");
    return result;
#elif defined __aarch64__
    register long x8 __asm__("x8") = SYS_clone3, x0 __asm__("x0") = (long)&args, x1 __asm__("x1") = sizeof args;
    register void *x20 __asm__("x20") = data;
    register void (*x21)(void *) __asm__("x21") = run;
    __asm__ volatile("svc 0\n\tcbnz x0, 1f\n\tmov x29, xzr\n\tmov x0, x20\n\tblr x21\n\tbrk 1\n1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x20), "r"(x21)
                     : "memory");
    return x0;
#else
#error "how does a new process of this architecture get to its stack?"
#endif
}

// Until the child at this place has left our memory.
static void await_left(struct place *place) {
    for (int pid; (pid = __atomic_load_n(&place->pid, __ATOMIC_ACQUIRE));)
        syscall(SYS_futex, &place->pid, FUTEX_WAIT, pid, NULL);
}
