"""Counters that tell whether a computed route still holds.

A change of the index touches one counter, chosen by what its pattern begins with: literal subjects one of 1,024,
patterns one by their first two literal tokens (``_INBOX.x7.*``), by their first (``orders.>``), or the whole space
(``*.a``). A route watches the four counters that its subject depends on, in every space it leads to; it holds as
long as none has moved. So a client that subscribes a fresh inbox disturbs no route but its own (and, harmlessly,
those that share its counter).

All changes also move one clock of the process: while it stands still, a route that held once needs no look.
"""

from libc.string cimport memchr

import os

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t mix(uint64_t a, uint64_t b) {
        __uint128_t product = (__uint128_t)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    static inline uint64_t load8(const char *p) { uint64_t v; memcpy(&v, p, 8); return v; }
    static inline uint64_t load4(const char *p) { uint32_t v; memcpy(&v, p, 4); return v; }
    """
    uint64_t mix(uint64_t a, uint64_t b) noexcept nogil
    uint64_t load8(const char *p) noexcept nogil
    uint64_t load4(const char *p) noexcept nogil

cdef uint64_t CLOCK = 1
cdef uint64_t SEED = int.from_bytes(os.urandom(8), "little") | 1


cdef uint64_t *clock() noexcept nogil:
    return &CLOCK


cdef uint64_t hash_of(const char *data, size_t size) noexcept nogil:
    """Keyed 64-bit hash. Not cryptographic; tables that use it are bounded, so collisions only cost time."""
    cdef uint64_t h = SEED ^ (<uint64_t>size * <uint64_t>0x9E3779B97F4A7C15ULL)
    cdef const unsigned char *rest
    if size >= 8:
        while size > 8:
            h = mix(h ^ load8(data), 0xA0761D6478BD642FULL)
            data += 8
            size -= 8
        return mix(h ^ load8(data + size - 8), 0xE7037ED1A0B428DBULL)
    if size >= 4:
        return mix(h ^ load4(data) ^ (load4(data + size - 4) << 32), 0xE7037ED1A0B428DBULL)
    if size:
        rest = <const unsigned char *>data
        h ^= rest[0] | (<uint64_t>rest[size // 2] << 8) | (<uint64_t>rest[size - 1] << 16)
    return mix(h, 0xE7037ED1A0B428DBULL)


cdef size_t lead(const char *subject, size_t size, int tokens) noexcept nogil:
    """Length of the first so many tokens, 0 if there are fewer or one of them is a wildcard."""
    cdef size_t start = 0
    cdef size_t end
    cdef const char *dot
    for _ in range(tokens):
        if start >= size:
            return 0
        dot = <const char *>memchr(subject + start, b'.', size - start)
        end = size if dot == NULL else <size_t>(dot - subject)
        if end - start == 1 and (subject[start] == b'*' or subject[start] == b'>'):
            return 0
        start = end + 1
    return start - 1


cdef bint is_pattern(const char *subject, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if (subject[i] == b'*' or subject[i] == b'>') and (i == 0 or subject[i - 1] == b'.') and (
            i + 1 == size or subject[i + 1] == b'.'
        ):
            return True
    return False


cdef void touch(Epochs *epochs, const char *pattern, size_t size) noexcept nogil:
    """Something changed for the subjects that match the pattern."""
    global CLOCK
    cdef size_t prefix
    CLOCK += 1
    if not is_pattern(pattern, size):
        epochs.literal[hash_of(pattern, size) % LITERALS] += 1
        return
    prefix = lead(pattern, size, 2)
    if prefix:
        epochs.second[hash_of(pattern, prefix) % SECONDS] += 1
        return
    prefix = lead(pattern, size, 1)
    if prefix:
        epochs.first[hash_of(pattern, prefix) % FIRSTS] += 1
    else:
        epochs.whole += 1


cdef void touch_all(Epochs *epochs) noexcept nogil:
    global CLOCK
    CLOCK += 1
    epochs.whole += 1


cdef void watch(Epochs *epochs, const char *subject, size_t size, uint64_t **counters) noexcept nogil:
    """The counters that a literal subject depends on. A published subject may contain wildcard tokens as plain
    text; counters are chosen by plain bytes here, and `lead` of a pattern never reaches into its wildcards."""
    cdef const char *dot = <const char *>memchr(subject, b'.', size)
    cdef size_t first = size if dot == NULL else <size_t>(dot - subject)
    cdef size_t second = size
    if dot != NULL:
        dot = <const char *>memchr(subject + first + 1, b'.', size - first - 1)
        if dot != NULL:
            second = dot - subject
    counters[0] = &epochs.whole
    counters[1] = &epochs.first[hash_of(subject, first) % FIRSTS]
    counters[2] = &epochs.second[hash_of(subject, second) % SECONDS]
    counters[3] = &epochs.literal[hash_of(subject, size) % LITERALS]
