"""Answers to "may this subject be published?" and "...subscribed to?", remembered.

Subjects that are used once, inboxes above all, would make remembering vain. Where the rules allow all that begins in
some way, that is looked at instead of asking.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.string cimport memcmp

from natskit.wire._core.epochs cimport hash_of
from natskit.wire._core.grammar cimport LITERAL, shape_of
from natskit.wire._core.table cimport Table


cdef class Verdicts:
    def __cinit__(self, ask, size_t capacity=8192, free=()):
        self.ask = ask
        self.table = Table(capacity)
        self.free = tuple(free)

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
        if self.is_free(subject, size):
            return True
        key = PyBytes_FromStringAndSize(subject, size)
        allowed = bool(self.ask(key))
        if size <= LONGEST:
            self.table.put(key, hash, allowed)
        return allowed

    cdef bint is_free(self, const char *subject, size_t size) noexcept:
        cdef bytes beginning
        cdef size_t length
        for beginning in self.free:
            length = PyBytes_GET_SIZE(beginning)
            if size > length and memcmp(subject, PyBytes_AS_STRING(beginning), length) == 0:
                return shape_of(subject, size) == LITERAL
        return False
