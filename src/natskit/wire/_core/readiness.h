/* Level-triggered readiness of many descriptors behind one: epoll on Linux, kqueue elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READY_READ = 1, READY_WRITE = 2, READY_MAX = 64 };
typedef struct { int fd; int what; } ready_t;

#ifdef __linux__
#include <sys/epoll.h>

static int readiness_open(void) { return epoll_create1(EPOLL_CLOEXEC); }

/* Watch for `now`; `before` is what was watched until now (0: nothing, -1: the descriptor is new). */
static int readiness_watch(int poll, int fd, int before, int now) {
    struct epoll_event event = {0};
    event.data.fd = fd;
    if (now & READY_READ) event.events |= EPOLLIN;
    if (now & READY_WRITE) event.events |= EPOLLOUT;
    return epoll_ctl(poll, before < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

static int readiness_wait(int poll, ready_t *ready) {
    struct epoll_event events[READY_MAX];
    int count = epoll_wait(poll, events, READY_MAX, 0);
    for (int i = 0; i < count; i++) {
        uint32_t e = events[i].events;
        ready[i].fd = events[i].data.fd;
        /* An error or hangup is found by reading, or by writing if that is all we wait for. */
        ready[i].what = (e & (EPOLLIN | EPOLLHUP | EPOLLERR) ? READY_READ : 0) | (e & EPOLLOUT ? READY_WRITE : 0);
    }
    return count;
}
#else
#include <sys/event.h>

static int readiness_open(void) {
    int poll = kqueue();
    if (poll >= 0) fcntl(poll, F_SETFD, FD_CLOEXEC);
    return poll;
}

static int readiness_watch(int poll, int fd, int before, int now) {
    struct kevent changes[2];
    int count = 0;
    if (before < 0) before = 0;
    if ((before ^ now) & READY_READ)
        EV_SET(&changes[count++], fd, EVFILT_READ, now & READY_READ ? EV_ADD : EV_DELETE, 0, 0, 0);
    if ((before ^ now) & READY_WRITE)
        EV_SET(&changes[count++], fd, EVFILT_WRITE, now & READY_WRITE ? EV_ADD : EV_DELETE, 0, 0, 0);
    return count ? kevent(poll, changes, count, 0, 0, 0) : 0;
}

static int readiness_wait(int poll, ready_t *ready) {
    struct kevent events[READY_MAX];
    struct timespec zero = {0, 0};
    int count = kevent(poll, 0, 0, events, READY_MAX, &zero);
    for (int i = 0; i < count; i++) {
        ready[i].fd = (int)events[i].ident;
        ready[i].what = events[i].filter == EVFILT_WRITE ? READY_WRITE : READY_READ;
    }
    return count;
}
#endif
