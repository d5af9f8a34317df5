/*
 * accept4(2) for the libraries of this process, in place of the C library's.
 *
 * libzmq 4.3.4 aborts when it finds no descriptor for a connection to an ipc endpoint (ipc_listener.cpp knows ENFILE but
 * not EMFILE), and with it the broker and all that it holds in memory. Here a connection beyond the limit is closed, and
 * libzmq is told ECONNABORTED, which it reports to the socket's monitor and otherwise passes over. The peer sees the end
 * of its connection and tries again.
 *
 * The dynamic linker prefers a program's own function to a library's of the same name. So this target belongs to
 * programs; a library product must not depend on it.
 */
#define _GNU_SOURCE
#include "accept.h"
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    int descriptor = (int)syscall(SYS_accept4, listener, address, length, flags);
    if (descriptor < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            /* The connection still waits: whoever asks at once again would do nothing else. */
            struct timespec pause = {.tv_sec = 0, .tv_nsec = 10 * 1000 * 1000};
            nanosleep(&pause, NULL);
            errno = ECONNABORTED;
        }
        return -1;
    }
    /* The kernel gives the lowest number that is free: when it is high, nearly all are taken. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t quarter = limit.rlim_cur / 4;
        if ((rlim_t)descriptor + (quarter < CACCEPT_RESERVED ? quarter : CACCEPT_RESERVED) >= limit.rlim_cur) {
            close(descriptor);
            errno = ECONNABORTED;
            return -1;
        }
    }
    return descriptor;
}
