"""Bytes on their way out: a sink per peer, and the round in which sinks collect before they are flushed."""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    BUFFER = 65536          # what a sink gets when its peer keeps up
    POOLED = 64             # spare buffers kept
    BORROW_MIN = 8192       # payloads from this size are sent from where they were read
    BORROW_MAX = 64         # borrowed pieces per sink and flush
    CROWDED = 262144        # with more waiting, publishers wait for it a little
    PATIENCE = 16           # so often, until it has caught up

cdef enum Death:
    ALIVE = 0
    FINISHED = 1            # closing: nothing more is accepted
    SLOW = 2                # more than max_pending would wait
    BROKEN = 3              # the descriptor failed

cdef enum Tracks:
    REQUESTS = 1            # of requests that it gets
    TALK = 2                # of everything, for a log

cdef struct Borrowed:
    size_t at               # goes between data[:at] and data[at:]
    const char *data
    size_t size

cdef struct Round:
    void **dirty            # owners (referenced) of sinks with something to flush
    size_t count
    size_t capacity
    int depth               # > 0 while input is being parsed
    bint borrowed           # some sink points into the input: flush before the input goes
    bint crowded            # some receiver is behind, but not for long yet: the publisher had better wait
    bint stalled            # some receiver is close to its limit: the publisher must wait
    bint woken              # the owner knows that something waits
    void (*wake)(void *owner) noexcept
    void *owner
    int pooled
    char *pool[POOLED]

cdef struct Sink:
    char *data
    size_t head             # data[head:tail] waits
    size_t tail
    size_t limit            # tail may not pass it without make_room
    size_t capacity
    size_t max_pending
    uint64_t messages       # delivered
    uint64_t bytes
    uint64_t sent           # bytes that the descriptor took
    uint64_t stalled        # how often publishers had to wait for it
    size_t borrowed_bytes
    Borrowed *borrowed
    int borrowed_count
    int fd                  # -1: the owner takes the bytes
    uint8_t dirty
    uint8_t blocked         # the descriptor is full
    uint8_t death
    uint8_t echo
    uint8_t headers
    uint8_t tracks          # what its owner wants to know of
    uint8_t patience        # how often publishers wait for it before they take it for slow
    uint8_t stalls          # near the limit publishers wait; else messages are dropped
    int error               # errno of BROKEN
    void *owner             # the Output, borrowed
    Round *round

cdef bint make_room(Sink *sink, size_t need, bint droppable) noexcept
cdef bint borrow(Sink *sink, const char *a, size_t an, const char *b, size_t bn,
                 const char *body, size_t size) noexcept
cdef void mark(Sink *sink) noexcept
cdef void send_now(Sink *sink) noexcept
cdef void discard(Sink *sink) noexcept


cdef inline bint reserve(Sink *sink, size_t need) noexcept:
    """Make sure that so much can be put; False if the sink does not accept it."""
    return sink.tail + need <= sink.limit or make_room(sink, need, True)


cdef inline bint put(Sink *sink, const char *a, size_t an, const char *b, size_t bn) noexcept:
    """Append two pieces of a message; False if the sink does not accept it."""
    if not reserve(sink, an + bn):
        return False
    memcpy(sink.data + sink.tail, a, an)
    memcpy(sink.data + sink.tail + an, b, bn)
    sink.tail += an + bn
    if not sink.dirty:
        mark(sink)
    return True
