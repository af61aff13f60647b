"""Answers to "may this subject be published?" and "...subscribed to?"."""

from natskit.wire._core.table cimport Table

cdef enum:
    LONGEST = 512           # longer subjects are asked about every time

cdef class Verdicts:
    cdef object __weakref__
    cdef object ask
    cdef Table table
    cdef tuple free         # bytes
    cdef bint judge(self, const char *subject, size_t size) except -1
    cdef bint is_free(self, const char *subject, size_t size) noexcept
