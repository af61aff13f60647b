"""Descriptors that are served together.

All connections of a hub stand behind one descriptor that an event loop watches. When it is readable every ready
connection is read once, into one buffer that all share, and only then the receivers are flushed: what fifty
publishers send to one receiver leaves in one system call. Incomplete input moves to the connection it belongs to: a
few bytes are copied, a large piece takes the buffer with it.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memmove

from natskit.wire._core cimport lifecycle
from natskit.wire._core.connection cimport Connection
from natskit.wire._core.output cimport Outbox, Output
from natskit.wire._core.peer cimport now
from natskit.wire._core.sink cimport CROWDED, PATIENCE

import os


cdef extern from "readiness.h":
    enum:
        READY_READ
        READY_WRITE
    ctypedef struct ready_t:
        int fd
        int what
    int readiness_open() nogil
    int readiness_watch(int poll, int fd, int before, int now) nogil
    int readiness_wait(int poll, ready_t *ready) nogil


cdef extern from "<sys/socket.h>":
    ssize_t recv(int fd, void *buffer, size_t size, int flags) nogil


cdef double HOLD_S = 0.001          # so long a publisher waits at most for receivers that are behind
cdef uint64_t TURN_NS = 3_000_000   # so long what is read of one connection at once may take


cdef class Hub(Outbox):
    def __cinit__(self, wake=None, on_crash=None, later=None):
        self.on_crash = on_crash
        self.later = later
        self.served = []
        self.held_back = []
        self.poll = readiness_open()
        if self.poll < 0:
            raise OSError(errno, os.strerror(errno))
        self.buffer = <char *>PyMem_RawMalloc(READ)
        if self.buffer == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_RawFree(self.buffer)
        while self.spares:
            self.spares -= 1
            PyMem_RawFree(self.spare[self.spares])
        if self.poll >= 0:
            os.close(self.poll)

    def fileno(self):
        return self.poll

    def attach(self, Connection connection not None, int fd):
        if readiness_watch(self.poll, fd, -1, READY_READ) < 0:
            raise OSError(errno, os.strerror(errno))
        while len(self.served) <= fd:
            self.served.append(None)
        self.served[fd] = connection
        connection.sink.fd = fd
        connection.appetite = READ
        connection.watched = READY_READ

    def adopt(self, Connection connection not None):
        connection.watched = READY_READ

    def close(self):
        """Cut what is still connected."""
        for connection in self.served:
            if connection is not None:
                connection.cut("Server Shutdown")
        self.served.clear()

    def run(self):
        cdef ready_t ready[EVENTS]
        cdef int count = readiness_wait(self.poll, ready)
        cdef int i
        self.enter()
        try:
            for i in range(count):
                self.serve(ready[i].fd, ready[i].what)
        finally:
            self.leave()
        return max(count, 0)

    cdef int serve(self, int fd, int what) except -1:
        """One connection is ready. Whatever goes wrong stays with it."""
        cdef Connection connection
        if fd >= len(self.served):
            return 0
        connection = self.served[fd]
        if connection is None:
            return 0
        try:
            if what & READY_WRITE:
                connection.writable()
                if connection.sink.tail - connection.sink.head <= CROWDED // 2:
                    connection.sink.patience = PATIENCE
                    self.go_on()
            if what & READY_READ and self.served[fd] is connection:
                if connection.phase >= lifecycle.CLOSING:
                    connection.cut("Read Error")
                else:
                    connection.read_at = now()
                    self.round.crowded = False
                    self.read(connection)
        except Exception as error:
            self.failed(connection, error)
        return 0

    cdef int failed(self, Output output, object error) except -1:
        if self.on_crash is not None:
            self.on_crash(output, error)
        output.cut("Protocol Violation", "internal error")
        return 0

    # -- reading

    cdef int read(self, Connection connection) except -1:
        cdef size_t held = connection.held_end - connection.held_start
        cdef ssize_t got
        cdef size_t end
        cdef Py_ssize_t used
        if held >= KEEP:
            return self.read_held(connection)
        got = receive(connection.sink.fd, self.buffer + held, min(<size_t>READ - held, connection.appetite))
        if got <= 0:
            return self.ended(connection, got)
        end = held + got
        if held:
            memcpy(self.buffer, connection.held + connection.held_start, held)
            connection.release_held()
        if end < connection.wanted:
            used = 0
        else:
            used = connection.parse(self.buffer, end, True)
            self.note_turn(connection)
        if self.round.borrowed:
            self.settle_all()
        if connection.phase < lifecycle.CLOSING and <size_t>used < end:
            self.keep_rest(connection, used, end)
        return self.after(connection)

    cdef int read_held(self, Connection connection) except -1:
        """Much of a large message is there already: read on behind it."""
        cdef size_t held = connection.held_end - connection.held_start
        cdef size_t capacity
        cdef ssize_t got
        cdef char *grown
        if connection.held_start and connection.held_start + max(connection.wanted, held + 1) > connection.held_capacity:
            memmove(connection.held, connection.held + connection.held_start, held)
            connection.held_start = 0
            connection.held_end = held
        if connection.held_end == connection.held_capacity:
            capacity = max(2 * connection.held_capacity, <size_t>READ)
            if connection.wanted > held:
                capacity = min(capacity, connection.wanted + KEEP)
            grown = <char *>PyMem_RawRealloc(connection.held, capacity)
            if grown == NULL:
                raise MemoryError
            connection.held = grown
            connection.held_capacity = capacity
        got = receive(connection.sink.fd, connection.held + connection.held_end,
                      min(<size_t>READ, connection.held_capacity - connection.held_end))
        if got <= 0:
            return self.ended(connection, got)
        connection.held_end += got
        held += got
        if held >= connection.wanted:
            connection.held_start += connection.parse(connection.held + connection.held_start, held, True)
            if self.round.borrowed:
                self.settle_all()
            if connection.held_start >= connection.held_end or connection.phase >= lifecycle.CLOSING:
                self.reuse(connection)
            else:
                connection.squeeze()
        return self.after(connection)

    cdef int note_turn(self, Connection connection) except -1:
        """What one of them sent has been delivered; who sends to thousands must not keep the others waiting."""
        cdef uint64_t spent = now() - connection.read_at
        if spent > TURN_NS:
            connection.appetite = max(<size_t>LEAST, connection.appetite // 2)
        elif connection.appetite < READ and spent < TURN_NS // 2:
            connection.appetite = min(<size_t>READ, 2 * connection.appetite)
        return 0

    cdef int ended(self, Connection connection, ssize_t got) except -1:
        """Nothing was read: the end, an error, or a false alarm."""
        if got == 0:
            connection.feed_eof()
        elif errno != EAGAIN:
            connection.cut("Read Error", os.strerror(errno))
        return 0

    cdef int after(self, Connection connection) except -1:
        if connection.paused or connection.phase == lifecycle.DECIDING:
            self.watch(connection, False, connection.writing)
        elif connection.phase >= lifecycle.CLOSING:
            connection.release_held()
        elif self.round.crowded and self.later is not None:
            self.hold_back(connection)
        return 0

    cdef int hold_back(self, Connection connection) except -1:
        """Read no more of it until its receivers have caught up, so that little waits in memory. Who does not catch up
        is waited for `PATIENCE` times and no longer."""
        if not self.held_back:
            self.later(HOLD_S, self.go_on)
        self.held_back.append(connection)
        connection.pause()
        return 0

    def go_on(self):
        cdef list held_back = self.held_back
        cdef Connection connection
        if held_back:
            self.held_back = []
            for connection in held_back:
                connection.resume()

    cdef int keep_rest(self, Connection connection, size_t start, size_t end) except -1:
        """Input that is not complete yet goes to its connection."""
        cdef char *fresh
        if end - start >= KEEP:
            fresh = self.new_buffer()
            if fresh != NULL:
                connection.release_held()
                connection.held = self.buffer
                connection.held_start = start
                connection.held_end = end
                connection.held_capacity = READ
                self.buffer = fresh
                return connection.squeeze()
        return connection.hold(self.buffer + start, end - start)

    cdef int reuse(self, Connection connection) except -1:
        """The large message is done; its buffer serves the next one."""
        if connection.held_capacity == READ and self.spares < SPARE:
            self.spare[self.spares] = connection.held
            self.spares += 1
            connection.held = NULL
        return connection.release_held()

    cdef char *new_buffer(self) noexcept:
        if self.spares:
            self.spares -= 1
            return self.spare[self.spares]
        return <char *>PyMem_RawMalloc(READ)

    # -- what is watched

    cdef int watch(self, Output output, bint reading, bint writing) except -1:
        cdef Connection connection = <Connection>output
        cdef int now = (READY_READ if reading else 0) | (READY_WRITE if writing else 0)
        cdef int before = connection.watched
        if before == now:
            return 0
        connection.watched = now
        if connection.sink.fd >= 0:
            readiness_watch(self.poll, connection.sink.fd, before, now)
        elif (before ^ now) & READY_READ and connection.phase < lifecycle.CLOSING:
            connection.session.on_reading(reading)
        return 0

    cdef int forget(self, Output output) except -1:
        """Close the descriptor; epoll and kqueue forget it by themselves. Unread input is taken first: with some
        left, closing would reset the connection and the peer could lose what was written last."""
        cdef char unread[KEEP]
        cdef int fd = output.sink.fd
        if fd < 0:
            return 0
        output.sink.fd = -1
        self.served[fd] = None
        receive(fd, unread, KEEP)
        os.close(fd)
        return 0


cdef ssize_t receive(int fd, char *buffer, size_t size) noexcept:
    cdef ssize_t got
    while True:
        got = recv(fd, buffer, size, 0)
        if got >= 0 or errno != EINTR:
            return got
