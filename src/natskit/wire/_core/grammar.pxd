"""Subject grammar on raw bytes."""

cdef enum Shape:
    INVALID = 0             # an empty token, or '>' before the end
    LITERAL = 1
    PATTERN = 2             # has a wildcard token

cdef int shape_of(const char *subject, size_t size) noexcept nogil
cdef bint has_empty_token(const char *subject, size_t size) noexcept nogil
cdef size_t count_tokens(const char *subject, size_t size) noexcept nogil
cdef bint asks_for_trace(const char *block, size_t size, bint parents) noexcept nogil
cdef bint is_reserved_reply(const char *reply, size_t size) noexcept nogil
cdef bint is_reserved_subject(const char *subject, size_t size, bint system) noexcept nogil
