"""A bounded table from bytes to objects."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    WAYS = 4

cdef struct Slot:
    uint64_t hash
    PyObject *key           # bytes, referenced; NULL: free
    PyObject *value         # borrowed from `values`

cdef class Table:
    cdef Slot *slots
    cdef list values        # by slot; a list, so that the garbage collector sees through
    cdef size_t sets
    cdef size_t max_sets
    cdef size_t used
    cdef uint32_t victim
    cdef PyObject *find(self, const char *key, size_t size, uint64_t hash) noexcept
    cdef object put(self, bytes key, uint64_t hash, object value)
    cdef int double(self) except -1
    cdef int clear(self) except -1
