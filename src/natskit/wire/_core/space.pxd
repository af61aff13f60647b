"""One account's subjects."""

from libc.stdint cimport uint64_t

from natskit.wire._core.epochs cimport Epochs
from natskit.wire._core.index cimport Entry, Index, Subscription
from natskit.wire._core.sink cimport Sink
from natskit.wire._core.route cimport Message, Route, Tally
from natskit.wire._core.table cimport Table

cdef enum:
    ROUTES = 16384          # cached routes per space
    WEIGHT = 33554432       # and bytes in all of them
    LONGEST = 512           # longer subjects are computed every time

cdef class Link(Entry):
    cdef readonly Space target
    cdef readonly object transform

cdef class Internal(Entry):
    cdef readonly object callback
    cdef bint imports               # whether it also gets what links bring from other spaces

cdef class Space:
    cdef public str name
    cdef public bint system         # the system account: may publish what others may not
    cdef Index index
    cdef Table routes
    cdef size_t weight
    cdef Epochs *epochs
    cdef Tally tally
    cdef object mapper
    cdef public bint traces         # messages that belong to a trace of their own are traced
    cdef Py_ssize_t subscribed
    cdef int changed(self, bytes pattern) except -1
    cdef Entry enter(self, Entry entry)
    cdef int leave(self, Entry entry) except -1
    cdef Route mapped(self, bytes subject, bint links=*)
    cdef int collect(self, Route route, Entry entry, bytes subject, bint imported, list plain, dict queues) except -1
    cdef int collect_imported(self, Route route, bytes local, list plain, dict queues) except -1
    cdef int add(self, Subscription subscription) except -1
    cdef int drop(self, Subscription subscription) except -1
    cdef Route route(self, const char *subject, size_t size)
    cdef Route direct(self, bytes subject, bint links=*)
    cdef Route choose(self, Route route)
