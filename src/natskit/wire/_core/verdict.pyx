"""Answers to "may this subject be published?", remembered."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject

from natskit.wire._core.epochs cimport hash_of
from natskit.wire._core.table cimport Table


cdef class Verdicts:
    def __cinit__(self, ask, size_t capacity=8192):
        self.ask = ask
        self.table = Table(capacity)

    def __len__(self):
        return self.table.used

    def allows(self, bytes subject not None):
        return self.judge(subject, len(subject))

    def clear(self):
        self.table.clear()

    cdef bint judge(self, const char *subject, size_t size) except -1:
        cdef unsigned long long hash = hash_of(subject, size)
        cdef PyObject *known = self.table.find(subject, size, hash)
        cdef bytes key
        if known != NULL:
            return <object>known is True
        key = PyBytes_FromStringAndSize(subject, size)
        allowed = bool(self.ask(key))
        if size <= LONGEST:
            self.table.put(key, hash, allowed)
        return allowed
