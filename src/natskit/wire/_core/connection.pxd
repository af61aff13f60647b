"""What the peer says: its input and its verbs."""

from natskit.wire._core.parser cimport Line
from natskit.wire._core.publisher cimport Publisher

cdef class Connection(Publisher):
    cdef bint was_connected
    cdef int watched                # what the hub watches its descriptor for
    cdef size_t appetite            # so much the hub reads of it at once
    # input
    cdef int take_in(self, const char *data, size_t size, bint stable) except -1
    cdef Py_ssize_t parse(self, const char *data, size_t size, bint stable) except -1
    cdef int stall(self) except -1
    cdef Py_ssize_t step(self, const char *at, size_t size, bint stable) except -1
    cdef bint enter(self, const char *at) except -1
    # verbs
    cdef int on_free(self, int verb) except -1
    cdef Py_ssize_t on_line(self, Line *line, const char *at, size_t size, bint stable) except -1
    cdef int on_connect(self, Line *line) except -1
    cdef int on_ping(self) except -1
    cdef int on_pong(self) except -1
    cdef int on_sub(self, Line *line) except -1
    cdef int subscribe(self, bytes subject, bytes queue, bytes sid) except -1
    cdef bint allows_subscription(self, bytes subject, bytes queue) except -1
    cdef int on_unsub(self, Line *line) except -1
