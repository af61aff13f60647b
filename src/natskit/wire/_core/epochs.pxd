"""When routes go stale."""

from libc.stdint cimport uint64_t

cdef enum:
    FIRSTS = 64
    SECONDS = 256
    LITERALS = 1024
    WATCHED = 4             # counters that one subject depends on

cdef struct Epochs:
    uint64_t whole
    uint64_t first[FIRSTS]
    uint64_t second[SECONDS]
    uint64_t literal[LITERALS]

cdef uint64_t *clock() noexcept nogil
cdef uint64_t hash_of(const char *data, size_t size) noexcept nogil
cdef void touch(Epochs *epochs, const char *pattern, size_t size) noexcept nogil
cdef void touch_all(Epochs *epochs) noexcept nogil
cdef void watch(Epochs *epochs, const char *subject, size_t size, uint64_t **counters) noexcept nogil
