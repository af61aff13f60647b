"""Who is at the other end: its state, its place, what it may do and what it listens to."""

from libc.stdint cimport uint64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from natskit.wire._core.index cimport Subscription
from natskit.wire._core.output cimport Output
from natskit.wire._core.route cimport Route
from natskit.wire._core.space cimport Space
from natskit.wire._core.verdict cimport Verdicts

cdef enum:
    MEMO = 128

cdef inline uint64_t now() noexcept nogil:
    """The monotonic clock in ns."""
    cdef timespec moment
    clock_gettime(CLOCK_MONOTONIC, &moment)
    return <uint64_t>moment.tv_sec * 1000000000 + <uint64_t>moment.tv_nsec


cdef class Peer(Output):
    cdef public object session
    cdef int phase
    # what CONNECT asked for
    cdef public bint pedantic
    cdef public bint no_responders
    cdef bint is_verbose
    # limits
    cdef public size_t max_control_line
    cdef public long max_payload
    cdef public long max_subscriptions
    cdef public long max_subscription_tokens
    # where it lives and what it may do
    cdef Space home
    cdef Verdicts may_publish       # None: everything
    cdef Verdicts may_subscribe     # to subjects; with a queue the session is asked. None: to everything
    cdef bint checks_deliver
    cdef bint connecting            # a CONNECT waits for its verdict
    cdef bint pong_due              # the next PONG is the first after CONNECT
    cdef bint paused
    cdef bint parsing
    cdef bint writing               # waits for the descriptor to take more
    # what it listens to, by sid
    cdef dict subs
    # input that waits for its rest
    cdef char *held
    cdef size_t held_start
    cdef size_t held_end
    cdef size_t held_capacity
    cdef size_t wanted              # parsing before so many bytes are there is in vain
    cdef int skipping               # the verb whose line is being ignored, or -1
    # the last subject it published on: "PUB subject " or "HPUB subject "
    cdef char memo[MEMO]
    cdef size_t memo_size
    cdef size_t memo_verb           # where the subject begins
    cdef Route memo_route
    cdef object trace               # of the message at hand
    # statistics
    cdef uint64_t messages
    cdef uint64_t bytes
    cdef uint64_t requests      # SUB, UNSUB and PING
    cdef uint64_t read_at       # ns of the monotonic clock; 0: never
    cdef uint64_t delivered     # messages when it was last flushed
    cdef uint64_t delivered_at  # ns; 0: none was
    cdef list left              # what it listened to when it was closed
    cdef int pings
    # why it ends
    cdef str reason
    cdef str cause
    cdef int admitted(self) except -1
    cdef int ok(self) except -1
    cdef int report(self, bytes text) except -1
    cdef int leave_space(self) except -1
    cdef int remove(self, Subscription subscription) except -1
    cdef int hold(self, const char *data, size_t size) except -1
    cdef int squeeze(self) except -1
    cdef int release_held(self) except -1
    cdef int end(self) except -1
    cdef int go_on(self) except -1
    cdef int writable(self) except -1
