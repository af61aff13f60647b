"""Where messages on one subject go, prepared for copying."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from natskit.wire._core.epochs cimport WATCHED, Epochs
from natskit.wire._core.index cimport Count
from natskit.wire._core.sink cimport Sink

cdef struct Tally:
    uint64_t in_messages
    uint64_t in_bytes
    uint64_t out_messages
    uint64_t out_bytes

cdef struct Message:
    const char *subject
    size_t subject_size
    const char *reply
    size_t reply_size
    # What follows "MSG subject sid " on the wire, in one piece (body_size 0) or two. For a message with headers
    # this follows "HMSG subject sid ", and plain_* is for receivers that take none.
    const char *head
    size_t head_size
    const char *body
    size_t body_size
    uint64_t size           # counted bytes: headers and payload
    size_t header_size      # 0: none
    const char *plain_head
    size_t plain_head_size
    const char *plain_body
    size_t plain_body_size
    bint stable             # body stays where it is until the round is flushed

cdef struct Delivery:
    Sink *sink              # NULL: for the server itself
    Count *count            # NULL: imported, not counted against UNSUB
    Tally *tally            # of the receiver's space
    const char *prefix      # "HMSG subject sid "
    uint32_t prefix_size
    PyObject *entry         # kept alive by the route

cdef struct Group:
    uint32_t start
    uint32_t size

cdef class Stop:
    cdef Sink *sink
    cdef Count *count
    cdef Tally *tally
    cdef object entry
    cdef bytes prefix

cdef class Route:
    cdef readonly bytes subject
    cdef object home            # the space it was computed in
    cdef list keep              # whatever else the pointers below point into
    cdef Delivery *deliveries   # plain ones, then those of the queue groups
    cdef uint32_t plain
    cdef uint32_t total
    cdef Group *groups
    cdef uint32_t group_count
    cdef char *prefixes
    cdef uint64_t **watched
    cdef uint64_t *own_watched[WATCHED]     # enough for a subject that leads to one space
    cdef uint32_t watched_count
    cdef uint64_t watched_sum
    cdef uint64_t checked       # the clock when the sum was last compared
    cdef size_t weight          # bytes, roughly
    cdef list choices           # of (weight, Route) of a weighted mapping, else None
    cdef list denied            # entries that match and must not see the subject; only traces ask
    cdef int watch(self, Epochs *epochs, bytes subject) except -1
    cdef int widen(self) except -1
    cdef int hold(self, object owner) except -1
    cdef int prepare(self, list plain, dict queues) except -1
    cdef int add(self, Stop stop, char *prefix) except -1
    cdef bint still_holds(self) noexcept
    cdef int deliver(self, Message *message, Sink *publisher) except -1
    cdef int deliver_traced(self, Message *message, Sink *publisher, object trace) except -1

cdef inline bint holds(Route route, uint64_t now) noexcept:
    return route.checked == now or route.still_holds()

cdef uint32_t random_below(uint32_t end) noexcept nogil
