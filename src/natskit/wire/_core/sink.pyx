"""Bytes that wait for one peer, and how they leave.

While a peer keeps up its sink has a buffer from the pool only between a read and the flush after it. When its
descriptor is full the rest waits in a buffer that grows up to ``max_pending``. Large payloads are not copied: the sink
borrows them from the input until the flush; what the descriptor does not take then is copied after all.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.ref cimport Py_INCREF
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memcpy, memmove


cdef extern from *:
    """
    #include <sys/socket.h>
    #include <sys/uio.h>
    #include <errno.h>
    #include <string.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    static ssize_t send_pieces(int fd, struct iovec *pieces, int count) {
        struct msghdr message;
        memset(&message, 0, sizeof message);
        message.msg_iov = pieces;
        message.msg_iovlen = count;
        return sendmsg(fd, &message, MSG_NOSIGNAL);
    }
    static ssize_t send_piece(int fd, const char *data, size_t size) {
        return send(fd, data, size, MSG_NOSIGNAL);
    }
    """
    cdef struct iovec:
        void *iov_base
        size_t iov_len
    ssize_t send_pieces(int fd, iovec *pieces, int count) nogil
    ssize_t send_piece(int fd, const char *data, size_t size) nogil


cdef void mark(Sink *sink) noexcept:
    """Put the sink on the list of those to flush."""
    cdef Round *round = sink.round
    cdef void **grown
    if sink.dirty:
        return
    if sink.blocked and sink.stalls and sink.patience and sink.tail - sink.head > CROWDED:
        sink.patience -= 1
        round.crowded = True
    if round.count == round.capacity:
        grown = <void **>PyMem_RawRealloc(round.dirty, (2 * round.capacity + 16) * sizeof(void *))
        if grown == NULL:
            sink.death = BROKEN
            return
        round.dirty = grown
        round.capacity = 2 * round.capacity + 16
    Py_INCREF(<object>sink.owner)
    round.dirty[round.count] = sink.owner
    round.count += 1
    sink.dirty = True
    if round.depth == 0 and not round.woken:
        round.woken = True
        round.wake(round.owner)


cdef char *new_buffer(Round *round) noexcept:
    if round.pooled:
        round.pooled -= 1
        return round.pool[round.pooled]
    return <char *>PyMem_RawMalloc(BUFFER)


cdef void discard(Sink *sink) noexcept:
    """Drop what waits and give the buffer back."""
    cdef Round *round = sink.round
    if sink.capacity == BUFFER and round.pooled < POOLED:
        round.pool[round.pooled] = sink.data
        round.pooled += 1
    else:
        PyMem_RawFree(sink.data)
    sink.data = NULL
    sink.head = sink.tail = sink.limit = sink.capacity = 0
    sink.borrowed_count = 0
    sink.borrowed_bytes = 0


cdef void set_limit(Sink *sink) noexcept:
    """The tail may run to the end of the buffer, but every threshold on the way must be noticed."""
    cdef size_t room = sink.max_pending
    cdef size_t alarm = sink.max_pending - sink.max_pending // 4
    if sink.death:
        sink.limit = 0
        return
    if sink.blocked:
        room = alarm if sink.tail - sink.head <= alarm else sink.tail - sink.head
    sink.limit = min(sink.capacity, sink.head + room)


cdef bint fit(Sink *sink, size_t need) noexcept:
    """Move or enlarge the buffer so that ``need`` more bytes fit; False without memory."""
    cdef size_t waiting = sink.tail - sink.head
    cdef size_t capacity
    cdef char *grown
    if sink.tail + need <= sink.capacity:
        return True
    if waiting + need <= sink.capacity and sink.head >= sink.capacity // 2:
        memmove(sink.data, sink.data + sink.head, waiting)
    else:
        capacity = max(<size_t>BUFFER, waiting + need)
        if sink.capacity:
            capacity = max(capacity, min(2 * sink.capacity, sink.max_pending))
        grown = new_buffer(sink.round) if capacity == BUFFER else <char *>PyMem_RawMalloc(capacity)
        if grown == NULL:
            return False
        if waiting:
            memcpy(grown, sink.data + sink.head, waiting)
        if sink.capacity == BUFFER and sink.round.pooled < POOLED:
            sink.round.pool[sink.round.pooled] = sink.data
            sink.round.pooled += 1
        else:
            PyMem_RawFree(sink.data)
        sink.data = grown
        sink.capacity = capacity
    sink.head = 0
    sink.tail = waiting
    return True


cdef void die(Sink *sink, int death) noexcept:
    sink.death = death
    sink.limit = 0
    mark(sink)


cdef bint make_room(Sink *sink, size_t need, bint droppable) noexcept:
    """Let ``need`` bytes be appended: send what waits, enlarge the buffer, or find the peer too slow."""
    cdef size_t waiting
    if sink.death:
        return False
    if sink.fd >= 0 and not sink.blocked and sink.tail > sink.head:
        send_now(sink)
        if sink.death:
            return False
    waiting = sink.tail - sink.head
    if waiting + need > sink.max_pending:
        die(sink, SLOW)
        return False
    if sink.blocked and waiting > sink.max_pending - sink.max_pending // 4:
        if not sink.stalls and droppable:
            return False
        sink.round.stalled = True
        sink.stalled += 1
    if not fit(sink, need):
        die(sink, SLOW)
        return False
    set_limit(sink)
    sink.limit = max(sink.limit, sink.tail + need)
    return True


cdef bint borrow(Sink *sink, const char *a, size_t an, const char *b, size_t bn,
                 const char *body, size_t size) noexcept:
    """As put, with a body that stays where it is until the flush."""
    cdef Borrowed *piece
    if sink.fd < 0 or sink.blocked or sink.death:
        return reserve(sink, an + bn + size) and put(sink, a, an, b, bn) and put(sink, body, size, "", 0)
    if sink.borrowed == NULL:
        sink.borrowed = <Borrowed *>PyMem_RawMalloc(BORROW_MAX * sizeof(Borrowed))
        if sink.borrowed == NULL:
            return False
    if sink.borrowed_count == BORROW_MAX or (
        sink.tail - sink.head + sink.borrowed_bytes + an + bn + size > sink.max_pending
    ):
        send_now(sink)
        if sink.blocked or sink.death:
            return borrow(sink, a, an, b, bn, body, size)
        if an + bn + size > sink.max_pending:
            die(sink, SLOW)
            return False
    if not reserve(sink, an + bn):
        return False
    if sink.blocked:  # making room had to send first
        return borrow(sink, a, an, b, bn, body, size)
    put(sink, a, an, b, bn)
    piece = &sink.borrowed[sink.borrowed_count]
    piece.at = sink.tail
    piece.data = body
    piece.size = size
    sink.borrowed_count += 1
    sink.borrowed_bytes += size
    sink.round.borrowed = True
    return True


cdef void send_now(Sink *sink) noexcept:
    """Give the descriptor what waits; what it does not take stays, and the sink counts as blocked."""
    cdef iovec pieces[2 * BORROW_MAX + 1]
    cdef int count = 0
    cdef int i
    cdef size_t at = sink.head
    cdef size_t total = sink.tail - sink.head + sink.borrowed_bytes
    cdef ssize_t sent
    if total == 0:
        return
    for i in range(sink.borrowed_count):
        if sink.borrowed[i].at > at:
            pieces[count].iov_base = sink.data + at
            pieces[count].iov_len = sink.borrowed[i].at - at
            count += 1
            at = sink.borrowed[i].at
        pieces[count].iov_base = <void *>sink.borrowed[i].data
        pieces[count].iov_len = sink.borrowed[i].size
        count += 1
    if sink.tail > at:
        pieces[count].iov_base = sink.data + at
        pieces[count].iov_len = sink.tail - at
        count += 1
    while True:
        if count == 1:
            sent = send_piece(sink.fd, <const char *>pieces[0].iov_base, pieces[0].iov_len)
        else:
            sent = send_pieces(sink.fd, pieces, count)
        if sent >= 0 or errno != EINTR:
            break
    if sent < 0:
        if errno != EAGAIN:
            sink.error = errno
            discard(sink)
            die(sink, BROKEN)
            return
        sent = 0
    sink.sent += sent
    if <size_t>sent == total:
        discard(sink)
        return
    keep_rest(sink, pieces, count, sent, total)


cdef void keep_rest(Sink *sink, iovec *pieces, int count, size_t sent, size_t total) noexcept:
    """After a partial send: own what is left, and wait for the descriptor."""
    cdef char *rest
    cdef size_t filled = 0
    cdef size_t skip
    cdef int i
    sink.blocked = True
    if sink.borrowed_count == 0:
        sink.head += sent
        set_limit(sink)
        mark(sink)
        return
    rest = <char *>PyMem_RawMalloc(max(<size_t>BUFFER + 1, total - sent))
    if rest == NULL:
        discard(sink)
        die(sink, SLOW)
        return
    for i in range(count):
        skip = min(sent, pieces[i].iov_len)
        sent -= skip
        memcpy(rest + filled, <char *>pieces[i].iov_base + skip, pieces[i].iov_len - skip)
        filled += pieces[i].iov_len - skip
    discard(sink)
    sink.data = rest
    sink.tail = filled
    sink.capacity = max(<size_t>BUFFER + 1, filled)
    set_limit(sink)
    mark(sink)
