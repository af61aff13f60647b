"""States of a connection and the one door through which they change."""

cdef enum State:
    AWAITING = 0
    ANONYMOUS = 1
    OPEN = 2
    DECIDING = 3
    READY = 4
    CLOSING = 5
    CLOSED = 6

cdef enum Event:
    CONNECT = 0
    VERB = 1
    ADMIT = 2
    CLOSE = 3
    CUT = 4

cdef int follow(int state, int event) noexcept nogil
