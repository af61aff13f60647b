"""Subject grammar on raw bytes: tokens between dots, ``*`` and ``>`` are wildcards only as whole tokens."""

from libc.string cimport memchr, memcmp


cdef extern from "<strings.h>":
    int strncasecmp(const char *a, const char *b, size_t size) nogil


cdef int shape_of(const char *subject, size_t size) noexcept nogil:
    """Whether a subscription may be made on it, and whether it has wildcards."""
    cdef size_t start = 0
    cdef size_t i
    cdef int shape = LITERAL
    for i in range(size + 1):
        if i < size and subject[i] != b'.':
            continue
        if i == start:
            return INVALID
        if i - start == 1:
            if subject[start] == b'*':
                shape = PATTERN
            elif subject[start] == b'>':
                if i < size:
                    return INVALID
                shape = PATTERN
        start = i + 1
    return shape


cdef bint has_empty_token(const char *subject, size_t size) noexcept nogil:
    cdef size_t i
    if size == 0 or subject[0] == b'.' or subject[size - 1] == b'.':
        return True
    for i in range(size - 1):
        if subject[i] == b'.' and subject[i + 1] == b'.':
            return True
    return False


cdef size_t count_tokens(const char *subject, size_t size) noexcept nogil:
    cdef size_t count = 1
    cdef size_t i
    for i in range(size):
        if subject[i] == b'.':
            count += 1
    return count


cdef inline bint starts(const char *text, size_t size, const char *prefix, size_t length) noexcept nogil:
    return size >= length and memcmp(text, prefix, length) == 0


cdef bint is_reserved_reply(const char *reply, size_t size) noexcept nogil:
    """Replies that only servers make: of services, acknowledgements, gateways."""
    return (starts(reply, size, b"_R_.", 4) or starts(reply, size, b"$JS.ACK.", 8)
            or starts(reply, size, b"_GR_.", 5) or starts(reply, size, b"$GR.", 4))


cdef bint is_reserved_subject(const char *subject, size_t size, bint system) noexcept nogil:
    """Subjects that clients may not publish on; ``system``: clients of the system account."""
    return (starts(subject, size, b"_GR_.", 5) or starts(subject, size, b"$GR.", 4)
            or (not system and starts(subject, size, b"$NRG.", 5)))


def shape(bytes subject not None):
    return shape_of(subject, len(subject))


cdef bint asks_for_trace(const char *block, size_t size, bint parents) noexcept nogil:
    """Does a header block name a place for a trace, or, where ``parents`` count, a trace that it belongs to?"""
    cdef const char *end = block + size
    cdef const char *at = block + 9
    if size < 10 or memcmp(block, "NATS/1.0\r\n", 10) != 0:
        return False
    while at != NULL:
        at += 1
        if end - at > 16 and memcmp(at, "Nats-Trace-Dest:", 16) == 0:
            return True
        if parents and end - at > 12 and strncasecmp(at, "traceparent:", 12) == 0:
            return True
        at = <const char *>memchr(at, b'\n', end - at)
    return False
