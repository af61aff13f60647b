"""Answers to "may this subject be published?"."""

from natskit.wire._core.table cimport Table

cdef class Verdicts:
    cdef object ask
    cdef Table table
    cdef bint judge(self, const char *subject, size_t size) except -1
