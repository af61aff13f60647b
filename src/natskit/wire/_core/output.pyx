"""Output of connections: one `Output` each, and the `Outbox` that flushes those with something to send."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree
from cpython.ref cimport Py_DECREF
from libc.string cimport memcpy

from natskit.wire._core.sink cimport PATIENCE, TALK, Sink, discard, make_room, mark, send_now


cdef void wake_owner(void *outbox) noexcept:
    """Something waits outside of a round."""
    wake = (<Outbox>outbox).wake
    if wake is not None:
        wake()


cdef class Outbox:
    def __cinit__(self, wake=None, *args, **kwargs):
        self.wake = wake
        self.round.owner = <void *>self
        self.round.wake = wake_owner

    def __dealloc__(self):
        cdef size_t i
        for i in range(self.round.count):
            Py_DECREF(<object>self.round.dirty[i])
        PyMem_RawFree(self.round.dirty)
        while self.round.pooled:
            self.round.pooled -= 1
            PyMem_RawFree(self.round.pool[self.round.pooled])

    def flush(self):
        if self.round.depth == 0:
            self.settle_all()

    cdef void enter(self) noexcept:
        self.round.depth += 1

    cdef int leave(self) except -1:
        self.round.depth -= 1
        if self.round.depth == 0:
            self.settle_all()
        return 0

    cdef int settle_all(self) except -1:
        """Flush every dirty sink. Owners may queue more meanwhile; that is flushed too."""
        cdef size_t i = 0
        cdef Output output
        self.round.woken = False
        self.round.depth += 1
        try:
            while i < self.round.count:
                output = <Output>self.round.dirty[i]
                Py_DECREF(output)  # the reference of the list; the variable holds its own
                self.round.dirty[i] = NULL
                i += 1
                output.sink.dirty = False
                try:
                    output.settle()
                except BaseException as error:  # noqa: BLE001 - whoever settles last must not stop the others
                    self.failed(output, error)
        finally:
            self.round.count = 0
            self.round.borrowed = False
            self.round.depth -= 1
        return 0

    cdef int watch(self, Output output, bint reading, bint writing) except -1:
        return 0

    cdef int forget(self, Output output) except -1:
        return 0

    cdef int failed(self, Output output, object error) except -1:
        raise error


@cython.no_gc_clear  # its end gives the buffer back to the outbox, which must live until then
cdef class Output:
    def __cinit__(self, Outbox outbox, *args, **kwargs):
        self.outbox = outbox
        self.sink.fd = -1
        self.sink.echo = True
        self.sink.stalls = True
        self.sink.patience = PATIENCE
        self.sink.max_pending = 64 << 20
        self.sink.owner = <void *>self
        self.sink.round = &outbox.round

    def __dealloc__(self):
        discard(&self.sink)
        PyMem_RawFree(self.sink.borrowed)

    def write(self, bytes data not None):
        self.queue_bytes(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    def take(self):
        data = PyBytes_FromStringAndSize(self.sink.data + self.sink.head, self.sink.tail - self.sink.head)
        self.sink.sent += self.sink.tail - self.sink.head
        discard(&self.sink)
        return data

    @property
    def pending(self):
        return self.sink.tail - self.sink.head + self.sink.borrowed_bytes

    @property
    def max_pending(self):
        return self.sink.max_pending

    @max_pending.setter
    def max_pending(self, size_t value):
        self.sink.max_pending = value

    @property
    def out_messages(self):
        return self.sink.messages

    @property
    def out_bytes(self):
        return self.sink.bytes

    @property
    def stalled(self):
        return self.sink.stalled

    @property
    def sent_bytes(self):
        return self.sink.sent

    @property
    def fd(self):
        return self.sink.fd

    cdef int queue_bytes(self, const char *data, size_t size) except -1:
        """Queue protocol text: unlike messages it is never dropped for want of room, only with the connection."""
        cdef Sink *sink = &self.sink
        if sink.tracks & TALK:
            self.talked("->>", data[:size])
        if sink.tail + size > sink.limit and not make_room(sink, size, False):
            return 0
        memcpy(sink.data + sink.tail, data, size)
        sink.tail += size
        if not sink.dirty:
            mark(sink)
        return 0

    cdef int settle(self) except -1:
        """The round is over: send."""
        if self.sink.fd >= 0 and not self.sink.blocked:
            send_now(&self.sink)
        return 0

    cdef bint accepts(self, bytes subject, bytes queue) except -1:
        """May messages on this subject go here?"""
        return True

    cdef int expire(self, object subscription) except -1:
        """A subscription has received all that it asked for."""
        return 0

    cdef int requested(self, const char *reply, size_t size) except -1:
        """A message with a reply was delivered."""
        return 0

    cdef int talked(self, str direction, bytes text) except -1:
        """A line of the protocol came or goes."""
        return 0

    cdef int carried(self, str direction, bytes payload, size_t header_size) except -1:
        """A message came or goes; the payload begins with its headers."""
        return 0
