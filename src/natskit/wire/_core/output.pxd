"""Output of connections, and the box that flushes it."""

from natskit.wire._core.sink cimport Round, Sink

cdef class Outbox:
    cdef Round round
    cdef public object wake
    cdef void enter(self) noexcept
    cdef int leave(self) except -1
    cdef int settle_all(self) except -1
    cdef int watch(self, Output output, bint reading, bint writing) except -1
    cdef int forget(self, Output output) except -1
    cdef int failed(self, Output output, object error) except -1

cdef class Output:
    cdef Sink sink
    cdef readonly Outbox outbox
    cdef int settle(self) except -1
    cdef bint accepts(self, bytes subject, bytes queue) except -1
    cdef int expire(self, object subscription) except -1
    cdef int requested(self, const char *reply, size_t size) except -1
    cdef int talked(self, str direction, bytes text) except -1
    cdef int carried(self, str direction, bytes payload, size_t header_size) except -1
    cdef int queue_bytes(self, const char *data, size_t size) except -1
