// Linux calls that Swift's Glibc module does not show.
#include <pthread.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <sys/syscall.h>
#include <unistd.h>

// Hidden behind _GNU_SOURCE; the same declarations as in <pthread.h>, <unistd.h> and <spawn.h>.
extern int pthread_setname_np(pthread_t thread, const char *name);
extern int pipe2(int ends[2], int flags);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

// prctl(2) is variadic, which Swift cannot call.
static inline int understudy_prctl(int operation, unsigned long argument) {
    return prctl(operation, argument, 0UL, 0UL, 0UL);
}
