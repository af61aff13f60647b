"""Text of the peer inside our messages."""

cdef bytes quoted(bytes text)
