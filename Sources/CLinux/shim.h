// Linux calls that Swift's Glibc module does not show.
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <sys/syscall.h>
#include <unistd.h>

// Hidden behind _GNU_SOURCE; the same declaration as in <pthread.h>.
extern int pthread_setname_np(pthread_t thread, const char *name);

// prctl(2) is variadic, which Swift cannot call.
static inline int understudy_prctl(int operation, unsigned long argument) {
    return prctl(operation, argument, 0UL, 0UL, 0UL);
}
