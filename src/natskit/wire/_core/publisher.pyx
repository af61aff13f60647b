"""What the peer publishes.

The hot path is a PUB or HPUB on the subject of the one before: the line begins with the remembered bytes, and what
follows, ``[reply] [header size] size CRLF payload CRLF``, is copied as it stands to every receiver. Whatever is unusual
about a line (other case, tabs, bare LF, a piece missing, something to refuse, a trace asked for in its headers) makes it
take the general path, which judges it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcpy

from natskit.wire._core cimport lifecycle
from natskit.wire._core.epochs cimport clock
from natskit.wire._core.grammar cimport LITERAL, asks_for_trace, is_reserved_reply, is_reserved_subject, shape_of
from natskit.wire._core.index cimport Entry, Subscription
from natskit.wire._core.parser cimport ARGUMENTS, V_HPUB, Line, Word, number, split
from natskit.wire._core.peer cimport MEMO, Peer
from natskit.wire._core.quote cimport quoted
from natskit.wire._core.route cimport Message, Route, holds
from natskit.wire._core.sink cimport BORROW_MIN, REQUESTS, TALK


cdef enum:
    HPUB = 5                # size of the verb with its space
    PLAIN = 128             # of the line for receivers without headers


cdef inline bytes text(const char *data, size_t size):
    return PyBytes_FromStringAndSize(data, size)


cdef inline const char *read_number(const char *p, const char *end, size_t *value) noexcept nogil:
    """Read 1 to 9 digits; NULL if there are none, or more."""
    cdef const char *start = p
    cdef size_t number = 0
    while p < end and b'0' <= p[0] <= b'9':
        number = number * 10 + (p[0] - c'0')
        p += 1
    value[0] = number
    return p if 0 < p - start <= 9 else NULL


cdef inline const char *read_sizes(const char *p, const char *end, bint headers, Message *message) noexcept nogil:
    """Read ``[header size] size CRLF``, with single spaces; NULL if it is anything else."""
    cdef size_t size
    message.header_size = 0
    if headers:
        p = read_number(p, end, &message.header_size)
        if p == NULL or p == end or p[0] != b' ':
            return NULL
        p += 1
    p = read_number(p, end, &size)
    message.size = size
    if p == NULL or p + 2 > end or p[0] != b'\r' or p[1] != b'\n':
        return NULL
    return p + 2


cdef inline const char *read_arguments(const char *rest, const char *end, bint headers, Message *message) noexcept nogil:
    """Read ``[reply] [header size] size CRLF``; where the payload begins, NULL if the general path must look at it."""
    cdef const char *payload = read_sizes(rest, end, headers, message)
    cdef const char *space
    message.reply_size = 0
    if payload != NULL:
        return payload
    space = <const char *>memchr(rest, b' ', end - rest) if end > rest else NULL
    if space == NULL or space == rest:
        return NULL
    message.reply = rest
    message.reply_size = space - rest
    if memchr(rest, b'\n', message.reply_size) != NULL or memchr(rest, b'\t', message.reply_size) != NULL:
        return NULL
    return read_sizes(space + 1, end, headers, message)


cdef inline bint prepare_plain(Message *message, const char *payload, char *head) noexcept nogil:
    """What receivers get that take no headers, its line in ``head``; False if the general path must look at it."""
    cdef char digits[10]
    cdef int count = 0
    cdef size_t size = message.size - message.header_size
    cdef size_t reply_size = message.reply_size + 1 if message.reply_size else 0
    if message.header_size == 0 or message.header_size > message.size or reply_size + sizeof(digits) + 2 > PLAIN:
        return False
    memcpy(head, message.reply, reply_size)
    while count == 0 or size:
        digits[count] = c'0' + size % 10
        count += 1
        size //= 10
    message.plain_head = head
    message.plain_head_size = reply_size + count + 2
    head += reply_size
    while count:
        count -= 1
        head[0] = digits[count]
        head += 1
    memcpy(head, b"\r\n", 2)
    message.plain_body = payload + message.header_size
    message.plain_body_size = message.size - message.header_size + 2
    return True


cdef class Publisher(Peer):
    # -- the hot path

    cdef Py_ssize_t try_quick(self, const char *at, const char *subject, const char *end, bint stable) except -1:
        """A well-formed PUB or HPUB on another subject than the last: look the route up, remember it."""
        cdef const char *space = <const char *>memchr(subject, b' ', end - subject)
        cdef size_t size
        cdef Route route
        cdef bint allowed
        if space == NULL or self.pedantic or self.is_verbose or self.sink.tracks & TALK:
            return 0
        size = space - subject
        if size == 0 or space + 1 - at > MEMO or (
            memchr(subject, b'\n', size) != NULL or memchr(subject, b'\t', size) != NULL
        ):
            return 0
        if subject[0] == b'_' or subject[0] == b'$':
            if is_reserved_subject(subject, size, self.home.system):
                return 0
        route = self.home.route(subject, size)
        if route.choices is not None:
            return 0
        allowed = self.may_publish is None or self.may_publish.judge(
            PyBytes_AS_STRING(route.subject), PyBytes_GET_SIZE(route.subject)
        )
        if self.phase >= lifecycle.CLOSING:  # what was asked on the way has closed it
            return end - at
        if not allowed:
            return 0
        self.memo_size = space + 1 - at
        self.memo_verb = subject - at
        memcpy(self.memo, at, self.memo_size)
        self.memo_route = route
        return self.publish_at(at, end, stable)

    cdef Py_ssize_t publish_at(self, const char *at, const char *end, bint stable) except -1:
        """Deliver what begins with the remembered bytes; 0 if the general path must look at it."""
        cdef const char *rest = at + self.memo_size
        cdef const char *payload
        cdef char plain[PLAIN]
        cdef Route route = self.memo_route
        cdef Message message
        cdef bint headers = self.memo_verb == HPUB
        message.header_size = 0
        payload = read_arguments(
            rest, at + min(<size_t>(end - at), self.memo_verb + self.max_control_line + 2), headers, &message
        )
        if payload == NULL or <size_t>(end - payload) < message.size + 2 or (
            payload[message.size] != b'\r' or payload[message.size + 1] != b'\n'
        ):
            return 0
        if message.reply_size and is_reserved_reply(message.reply, message.reply_size):
            return 0
        if (self.max_payload >= 0 and message.size > <size_t>self.max_payload) or not holds(route, clock()[0]):
            self.memo_size = 0
            return 0
        if headers and not (self.sink.headers and prepare_plain(&message, payload, plain)):
            return 0
        if headers and asks_for_trace(payload, message.header_size, self.home.traces):
            return 0
        message.head = rest
        message.stable = stable
        if message.size < BORROW_MIN:
            message.head_size = payload + message.size + 2 - rest
            message.body_size = 0
        else:
            message.head_size = payload - rest
            message.body = payload
            message.body_size = message.size + 2
        self.messages += 1
        self.bytes += message.size
        self.home.tally.in_messages += 1
        self.home.tally.in_bytes += message.size
        if route.deliver(&message, &self.sink) == 0 and message.reply_size and self.no_responders:
            self.answer_no_responders(route, &message)
        return payload + message.size + 2 - at

    # -- in general

    cdef Py_ssize_t on_pub(self, Line *line, const char *at, size_t size, bint stable) except -1:
        """PUB and HPUB in general: ``subject [reply] [header size] size``."""
        cdef Word words[ARGUMENTS]
        cdef int count = split(line.args, line.args_size, words, False)
        cdef int sizes = 2 if line.verb == V_HPUB else 1
        cdef long total
        cdef long headers = 0
        cdef Message message
        cdef const char *payload = at + line.size
        if count < 1 + sizes or count > 2 + sizes:
            self.fail("Protocol Violation", "", "wrong number of arguments of PUB or HPUB")
            return size
        total = number(words[count - 1].text, words[count - 1].size)
        if sizes == 2:
            headers = number(words[count - 2].text, words[count - 2].size)
            if not self.sink.headers:
                self.fail("Protocol Violation", "", "message headers not supported")
                return size
        if total < 0 or headers < 0 or headers > total:
            self.fail("Protocol Violation", "", "bad size of PUB or HPUB")
            return size
        if 0 <= self.max_payload < total:
            if headers:
                self.trace_oversized(&words[0], payload, size - line.size, headers, total)
            self.fail("Maximum Message Payload Exceeded", "Maximum Payload Violation",
                      f"maximum payload exceeded: {total} vs {self.max_payload}")
            return size
        if not self.all_there(payload, at + size, total):
            if self.phase < lifecycle.CLOSING:
                self.wanted = line.size + total + 1  # its end is judged as soon as it comes
                return 0
            return size
        if self.sink.tracks & TALK:
            self.talked("<<-", (b"HPUB " if headers or sizes == 2 else b"PUB ") + text(line.args, line.args_size))
            self.carried("<<-", text(payload, total), headers)
        message.subject = words[0].text
        message.subject_size = words[0].size
        message.reply = words[1].text
        message.reply_size = words[1].size if count == 2 + sizes else 0
        message.size = total
        message.header_size = headers
        message.body = payload
        message.body_size = total + 2
        message.stable = stable
        self.compose(&message, &words[count - 1], &words[count - 2])
        return line.size + total + 2

    cdef bint all_there(self, const char *payload, const char *end, size_t size) except -1:
        """Is the whole payload here, ended by CR LF? A wrong end is told at once."""
        cdef size_t here = end - payload
        if (here > size and payload[size] != b'\r') or (here > size + 1 and payload[size + 1] != b'\n'):
            self.fail("Protocol Violation", "Unknown Protocol Operation", "payload does not end where its size says")
            return False
        return here >= size + 2

    cdef int compose(self, Message *message, Word *total, Word *headers) except -1:
        """Build the canonical lines that receivers get, digits as they came, and go on."""
        cdef bytes reply = text(message.reply, message.reply_size) + b" " if message.reply_size else b""
        cdef bytes head
        cdef bytes plain = reply + b"%d\r\n" % (message.size - message.header_size)
        if message.header_size:
            head = reply + b"%b %b\r\n" % (text(headers.text, headers.size), text(total.text, total.size))
        else:
            head = reply + text(total.text, total.size) + b"\r\n"
        message.head = PyBytes_AS_STRING(head)
        message.head_size = PyBytes_GET_SIZE(head)
        message.plain_head = PyBytes_AS_STRING(plain)
        message.plain_head_size = PyBytes_GET_SIZE(plain)
        message.plain_body = message.body + message.header_size
        message.plain_body_size = message.body_size - message.header_size
        return self.on_message(message)

    cdef int on_message(self, Message *message) except -1:
        """A message is all there: see whether it is to be traced, and go on."""
        if message.header_size and asks_for_trace(message.body, message.header_size, self.home.traces):
            trace = self.trace_of(message.subject, message.subject_size, message.body, message.header_size, message.size)
            if trace is False:
                return 0
            self.trace = trace
            try:
                return self.route_message(message)
            finally:
                self.trace = None
                if trace is not None and self.session is not None:
                    self.session.on_traced(trace)
        return self.route_message(message)

    cdef object trace_of(self, const char *subject, size_t subject_size, const char *block, size_t block_size,
                         size_t size):
        return self.session.on_trace(text(subject, subject_size), text(block, block_size), size)

    cdef int trace_oversized(self, Word *subject, const char *block, size_t here, size_t header_size,
                             size_t size) except -1:
        """A message is too large; the trace that it asked for, if that has come already, says so."""
        if here < header_size or not asks_for_trace(block, header_size, self.home.traces):
            return 0
        trace = self.trace_of(subject.text, subject.size, block, header_size, size)
        if trace is not None and trace is not False:
            trace.on_refusal("maximum payload exceeded")
            self.session.on_traced(trace)
        return 0

    cdef int route_message(self, Message *message) except -1:
        """Judge a message, then deliver it."""
        cdef Route route
        cdef bint allowed
        self.messages += 1
        self.bytes += message.size
        self.home.tally.in_messages += 1
        self.home.tally.in_bytes += message.size
        if self.pedantic and shape_of(message.subject, message.subject_size) != LITERAL:
            self.report(b"Invalid Publish Subject")
        if is_reserved_subject(message.subject, message.subject_size, self.home.system):
            return self.refuse_publish(text(message.subject, message.subject_size))
        route = self.home.route(message.subject, message.subject_size)
        if route.choices is not None:
            route = self.home.choose(route)
        if self.sink.tracks & TALK and route is not None:
            self.tell_mapping(message, route)
        allowed = route is None or self.may_publish is None or self.may_publish.judge(
            PyBytes_AS_STRING(route.subject), PyBytes_GET_SIZE(route.subject)
        )
        if self.phase >= lifecycle.CLOSING:
            return 0
        if not allowed and not (self.sink.tracks & REQUESTS and self.session.may_respond(route.subject)):
            return self.refuse_publish(route.subject)
        if message.reply_size and is_reserved_reply(message.reply, message.reply_size):
            reply = text(message.reply, message.reply_size)
            told = b"Permissions Violation for Publish with Reply of " + quoted(reply)
            return self.refuse(told, "reply", reply, None, None)
        self.ok()
        if route is None:
            return 0
        return self.dispatch(route, message)

    cdef int tell_mapping(self, Message *message, Route route) except -1:
        cdef bytes subject = text(message.subject, message.subject_size)
        if subject != route.subject:
            self.talked("<<-", b"MAPPING %b -> %b" % (subject, route.subject))
        return 0

    cdef int dispatch(self, Route route, Message *message) except -1:
        cdef int taken
        if self.trace is None:
            taken = route.deliver(message, &self.sink)
        else:
            if text(message.subject, message.subject_size) != route.subject:
                self.trace.on_mapping(route.subject)
            taken = route.deliver_traced(message, &self.sink, self.trace)
        if taken == 0 and message.reply_size and self.no_responders:
            self.answer_no_responders(route, message)
        return 0

    cdef int answer_no_responders(self, Route route, Message *message) except -1:
        """Nobody took a request: say so on its reply, if this connection itself listens there."""
        cdef Entry entry
        cdef bytes reply = text(message.reply, message.reply_size)
        cdef bytes status
        cdef bytes line
        if self.phase >= lifecycle.CLOSING:  # who did not take it has closed it
            return 0
        for entry in self.home.index.match(reply):
            if not isinstance(entry, Subscription):
                continue
            if (<Subscription>entry).output is not self or (<Subscription>entry).queue is not None:
                continue
            status = b"NATS/1.0 503\r\nNats-Subject: %b\r\n\r\n" % route.subject
            line = b"HMSG %b %b %d %d\r\n%b\r\n" % (
                reply, (<Subscription>entry).sid, len(status), len(status), status
            )
            return self.queue_bytes(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))
        return 0

    # -- what is wrong

    cdef int fail(self, str reason, str error, str cause) except -1:
        """The peer broke the rules: tell it, perhaps, and close."""
        self.close(reason, error, cause)
        return 0

    cdef int refuse(self, bytes error, str kind, bytes subject, bytes queue, bytes sid) except -1:
        """Tell the peer and the log; the connection goes on."""
        self.report(error)
        if self.trace is not None:
            self.trace.on_refusal(error.decode("utf-8", "replace"))
        self.session.on_violation(kind, subject, queue, sid)
        return 0

    cdef int refuse_publish(self, bytes subject) except -1:
        return self.refuse(b"Permissions Violation for Publish to " + quoted(subject), "publish", subject, None, None)
