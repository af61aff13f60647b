"""Descriptors that are served together."""

from natskit.wire._core.connection cimport Connection
from natskit.wire._core.output cimport Outbox

cdef enum:
    READ = 262144           # bytes per read, at most
    LEAST = 4096            # at least, of a publisher whose messages take long
    KEEP = 16384            # from so much incomplete input on, it stays where it was read
    SPARE = 8
    EVENTS = 64             # ready descriptors per round

cdef class Hub(Outbox):
    cdef public object on_crash
    cdef object later
    cdef int poll
    cdef char *buffer
    cdef char *spare[SPARE]
    cdef int spares
    cdef list served        # Connection or None by descriptor
    cdef list held_back     # publishers that wait for receivers
    cdef int serve(self, int fd, int what) except -1
    cdef int read(self, Connection connection) except -1
    cdef int read_held(self, Connection connection) except -1
    cdef int note_turn(self, Connection connection) except -1
    cdef int ended(self, Connection connection, ssize_t got) except -1
    cdef int hold_back(self, Connection connection) except -1
    cdef int after(self, Connection connection) except -1
    cdef int keep_rest(self, Connection connection, size_t start, size_t end) except -1
    cdef int reuse(self, Connection connection) except -1
    cdef char *new_buffer(self) noexcept
