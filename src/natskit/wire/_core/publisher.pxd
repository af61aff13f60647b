"""What the peer publishes."""

from natskit.wire._core.parser cimport Line, Word
from natskit.wire._core.peer cimport Peer
from natskit.wire._core.route cimport Message, Route

cdef class Publisher(Peer):
    # the hot path
    cdef Py_ssize_t try_quick(self, const char *at, const char *subject, const char *end, bint stable) except -1
    cdef Py_ssize_t publish_at(self, const char *at, const char *end, bint stable) except -1
    # in general
    cdef Py_ssize_t on_pub(self, Line *line, const char *at, size_t size, bint stable) except -1
    cdef bint all_there(self, const char *payload, const char *end, size_t size) except -1
    cdef int compose(self, Message *message, Word *total, Word *headers) except -1
    cdef int on_message(self, Message *message) except -1
    cdef int route_message(self, Message *message) except -1
    cdef int tell_mapping(self, Message *message, Route route) except -1
    cdef int dispatch(self, Route route, Message *message) except -1
    cdef object trace_of(self, const char *subject, size_t subject_size, const char *block, size_t block_size,
                         size_t size)
    cdef int trace_oversized(self, Word *subject, const char *block, size_t here, size_t header_size,
                             size_t size) except -1
    cdef int answer_no_responders(self, Route route, Message *message) except -1
    # what is wrong
    cdef int fail(self, str reason, str error, str cause) except -1
    cdef int refuse(self, bytes error, str kind, bytes subject, bytes detail) except -1
    cdef int refuse_publish(self, bytes subject) except -1
