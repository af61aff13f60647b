"""Who waits for what."""

from libc.stdint cimport uint64_t

from natskit.wire._core.output cimport Output

cdef struct Count:
    uint64_t delivered
    uint64_t max            # 0: no end

cdef class Entry:
    cdef readonly bytes subject
    cdef Py_ssize_t position

cdef class Subscription(Entry):
    cdef readonly bytes sid
    cdef readonly bytes queue
    cdef Output output
    cdef Count count

cdef class Node:
    cdef dict children
    cdef Node star
    cdef list entries
    cdef list rest

cdef class Index:
    cdef dict literals
    cdef Node root
    cdef Py_ssize_t size
    cdef readonly uint64_t inserts
    cdef readonly uint64_t removes
    cdef readonly uint64_t searches
    cdef list bucket_of(self, bytes pattern)
    cdef int remove_pattern(self, Entry entry) except -1
    cdef int prune(self, list path, list tokens) except -1
    cdef int walk(self, bytes subject, list found) except -1
    cpdef insert(self, Entry entry)
    cpdef remove(self, Entry entry)
    cpdef list match(self, bytes subject)
