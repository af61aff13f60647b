"""Answers to "may this subject be published?"."""

from natskit.wire._core.table cimport Table

cdef enum:
    LONGEST = 512           # longer subjects are asked about every time

cdef class Verdicts:
    cdef object __weakref__
    cdef object ask
    cdef Table table
    cdef bint judge(self, const char *subject, size_t size) except -1
