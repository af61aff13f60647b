"""Finds verbs and their arguments in place."""

cdef enum Verb:
    V_PUB = 0
    V_HPUB = 1
    V_SUB = 2
    V_UNSUB = 3
    V_PING = 4
    V_PONG = 5
    V_CONNECT = 6
    V_INFO = 7
    V_OK = 8
    V_ERR = 9

cdef enum Found:
    INCOMPLETE = 0          # more bytes are needed
    LINE = 1                # a whole control line
    BEGUN = 2               # a verb whose line is ignored up to its LF, which has not come yet
    UNKNOWN = -1            # no verb of ours
    TOO_LONG = -2           # arguments longer than max_control_line

cdef enum:
    ARGUMENTS = 4           # the most a verb takes
    BAD_NUMBER = -1

cdef struct Line:
    int verb
    const char *args        # without the spaces before and the CR after
    size_t args_size
    size_t size             # of the line with its LF

cdef struct Word:
    const char *text
    size_t size

cdef int find_line(const char *data, size_t size, size_t max_args, Line *line) noexcept nogil
cdef int split(const char *args, size_t size, Word *words, bint at_cr) noexcept nogil
cdef long number(const char *text, size_t size) noexcept nogil
