"""Finds verbs and their arguments in place. What the grammar is says ``server-protocol``; in short::

    verb SP+ arguments [CR] LF      PUB HPUB SUB UNSUB -ERR
    verb SP* arguments [CR] LF      CONNECT INFO
    verb anything LF                PING PONG +OK

Verbs are case-insensitive, SP and TAB separate, everything else is argument content. A wrong byte is found when it
comes, not when the line ends, so that feeding whole or byte by byte makes no difference.
"""

from libc.string cimport memchr

cdef struct Spelling:
    const char *letters     # upper case
    size_t size
    bint free               # its line is ignored
    bint close              # its arguments may follow without a space

cdef Spelling SPELLINGS[10]


cdef void spell(int verb, const char *letters, size_t size, bint free, bint close) noexcept:
    SPELLINGS[verb].letters = letters
    SPELLINGS[verb].size = size
    SPELLINGS[verb].free = free
    SPELLINGS[verb].close = close


spell(V_PUB, "PUB", 3, False, False)
spell(V_HPUB, "HPUB", 4, False, False)
spell(V_SUB, "SUB", 3, False, False)
spell(V_UNSUB, "UNSUB", 5, False, False)
spell(V_PING, "PING", 4, True, False)
spell(V_PONG, "PONG", 4, True, False)
spell(V_CONNECT, "CONNECT", 7, False, True)
spell(V_INFO, "INFO", 4, False, True)
spell(V_OK, "+OK", 3, True, False)
spell(V_ERR, "-ERR", 4, False, False)


cdef inline char upper(char letter) noexcept nogil:
    return letter - 32 if b'a' <= letter <= b'z' else letter


cdef int verb_of(const char *data, size_t size) noexcept nogil:
    """The verb that the first bytes begin; UNKNOWN if none. PING, PONG and PUB part at their second letter."""
    cdef char second
    cdef char first = upper(data[0])
    if first == b'P':
        second = upper(data[1]) if size > 1 else b'U'
        return V_PING if second == b'I' else V_PONG if second == b'O' else V_PUB
    if first == b'H':
        return V_HPUB
    if first == b'S':
        return V_SUB
    if first == b'U':
        return V_UNSUB
    if first == b'C':
        return V_CONNECT
    if first == b'I':
        return V_INFO
    if first == b'+':
        return V_OK
    if first == b'-':
        return V_ERR
    return UNKNOWN


cdef int find_line(const char *data, size_t size, size_t max_args, Line *line) noexcept nogil:
    """Find the control line at the start of ``data`` (at least one byte)."""
    cdef int verb = verb_of(data, size)
    cdef Spelling *spelling
    cdef size_t i
    cdef const char *lf
    if verb < 0:
        return UNKNOWN
    spelling = &SPELLINGS[verb]
    for i in range(min(size, spelling.size)):
        if upper(data[i]) != spelling.letters[i]:
            return UNKNOWN
    if size < spelling.size:
        return INCOMPLETE
    line.verb = verb
    i = spelling.size
    if spelling.free:
        lf = <const char *>memchr(data + i, b'\n', size - i)
        line.size = size if lf == NULL else lf - data + 1
        return BEGUN if lf == NULL else LINE
    if i == size:
        return INCOMPLETE
    if data[i] != b' ' and data[i] != b'\t' and not spelling.close:
        return UNKNOWN
    while i < size and (data[i] == b' ' or data[i] == b'\t'):
        i += 1
    return end_line(data, size, i, max_args, line)


cdef int end_line(const char *data, size_t size, size_t start, size_t max_args, Line *line) noexcept nogil:
    """The arguments begin at ``start``; find where they end."""
    cdef const char *lf = <const char *>memchr(data + start, b'\n', size - start)
    cdef size_t end = size if lf == NULL else lf - data
    line.size = end + 1
    if end > start and data[end - 1] == b'\r':
        end -= 1
    line.args = data + start
    line.args_size = end - start
    if line.args_size > max_args:
        return TOO_LONG
    return INCOMPLETE if lf == NULL else LINE


cdef inline bint is_blank(char letter, bint at_cr) noexcept nogil:
    return letter == b' ' or letter == b'\t' or (at_cr and letter == b'\r')


cdef int split(const char *args, size_t size, Word *words, bint at_cr) noexcept nogil:
    """Split into words, ``at_cr``: at CR, too; return how many there are, or ARGUMENTS + 1 if more than fit."""
    cdef int count = 0
    cdef size_t i = 0
    cdef size_t start
    while True:
        while i < size and is_blank(args[i], at_cr):
            i += 1
        if i == size:
            return count
        if count == ARGUMENTS:
            return ARGUMENTS + 1
        start = i
        while i < size and not is_blank(args[i], at_cr):
            i += 1
        words[count].text = args + start
        words[count].size = i - start
        count += 1


cdef long number(const char *text, size_t size) noexcept nogil:
    """The value of 1 to 9 digits, or BAD_NUMBER."""
    cdef long value = 0
    cdef size_t i
    if size == 0 or size > 9:
        return BAD_NUMBER
    for i in range(size):
        if text[i] < b'0' or text[i] > b'9':
            return BAD_NUMBER
        value = value * 10 + (text[i] - c'0')
    return value
