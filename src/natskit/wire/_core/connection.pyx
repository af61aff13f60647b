"""What the peer says.

The hot path is a PUB on the subject of the PUB before: the line begins with the remembered bytes, and what follows,
``[reply] size CRLF payload CRLF``, is copied as it stands to every receiver. Whatever is unusual about a line (other
case, tabs, bare LF, a piece missing, something to refuse) makes it take the general path, which judges it.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp, memcpy

from natskit.wire._core cimport lifecycle
from natskit.wire._core.epochs cimport clock
from natskit.wire._core.grammar cimport (
    INVALID, LITERAL, count_tokens, is_reserved_reply, is_reserved_subject, shape_of,
)
from natskit.wire._core.index cimport Entry, Subscription
from natskit.wire._core.lifecycle cimport follow
from natskit.wire._core.output cimport BORROW_MIN
from natskit.wire._core.parser cimport (
    ARGUMENTS, BEGUN, INCOMPLETE, LINE, TOO_LONG, V_CONNECT, V_ERR, V_HPUB, V_INFO, V_PING, V_PONG, V_PUB, V_SUB,
    V_UNSUB, Line, Word, find_line, number, split,
)
from natskit.wire._core.peer cimport MEMO, Peer
from natskit.wire._core.quote cimport quoted
from natskit.wire._core.route cimport Message, Route, holds

cdef double STALL_S = 0.005     # how long a publisher waits for a receiver that is close to its limit


cdef inline bytes text(const char *data, size_t size):
    return PyBytes_FromStringAndSize(data, size)


cdef class Connection(Peer):
    # -- input

    def feed(self, data not None):
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        self.outbox.enter()
        try:
            if view.len and self.phase < lifecycle.CLOSING:
                self.reads += 1
                self.take_in(<const char *>view.buf, view.len, self.outbox.round.depth == 1)
        finally:
            try:
                self.outbox.leave()
            finally:
                PyBuffer_Release(&view)

    def feed_eof(self):
        self.close("Client Closed")

    cdef int take_in(self, const char *data, size_t size, bint stable) except -1:
        """Parse what came, after what was held."""
        cdef Py_ssize_t used
        if self.parsing:
            raise RuntimeError("fed from within its own session")
        if self.held_end == self.held_start:
            used = self.parse(data, size, stable) if not self.paused else 0
            if self.phase < lifecycle.CLOSING and <size_t>used < size:
                self.hold(data + used, size - used)
        else:
            self.hold(data, size)
            self.go_on()
        return 0

    cdef int go_on(self) except -1:
        """Parse what is held."""
        cdef size_t size = self.held_end - self.held_start
        if self.parsing or self.paused:
            return 0
        if size and size >= self.wanted:
            self.outbox.enter()
            try:
                self.held_start += self.parse(self.held + self.held_start, size, False)
                if self.held_start == self.held_end or self.phase >= lifecycle.CLOSING:
                    self.release_held()
            finally:
                self.outbox.leave()
        if not self.paused and self.phase != lifecycle.DECIDING and self.phase < lifecycle.CLOSING:
            self.outbox.watch(self, True, self.writing)
        return 0

    cdef Py_ssize_t parse(self, const char *data, size_t size, bint stable) except -1:
        """Do what complete verbs say; return how many bytes are done with."""
        cdef const char *at = data
        cdef const char *end = data + size
        cdef Py_ssize_t used
        self.wanted = 0
        self.parsing = True
        try:
            while at < end:
                if self.memo_size != 0 and <size_t>(end - at) > self.memo_size and (
                    memcmp(at, self.memo, self.memo_size) == 0
                ) and not self.paused:
                    used = self.publish_at(at, at + self.memo_size, end, self.memo_route, stable)
                    if used > 0:
                        at += used
                        continue
                if self.paused or self.phase == lifecycle.DECIDING:
                    break
                if self.phase >= lifecycle.CLOSING:
                    break
                used = self.step(at, end - at, stable)
                if used == 0:
                    break
                at += used
            if self.phase >= lifecycle.CLOSING:
                return size
        finally:
            self.parsing = False
        if self.outbox.round.stalled:
            self.outbox.round.stalled = False
            self.stall()
        return at - data

    cdef int stall(self) except -1:
        """A receiver is nearly full: let it catch up."""
        if self.phase < lifecycle.CLOSING and not self.paused:
            self.pause()
            self.session.on_stall(STALL_S)
        return 0

    cdef Py_ssize_t step(self, const char *at, size_t size, bint stable) except -1:
        """Do one verb; return its length, 0 if it is not all there."""
        cdef Line line
        cdef const char *lf
        cdef int found
        cdef Py_ssize_t used
        cdef int verb = self.skipping
        if verb >= 0:
            lf = <const char *>memchr(at, b'\n', size)
            if lf == NULL:
                return size
            self.skipping = -1
            self.on_free(verb)
            return lf - at + 1
        if self.phase != lifecycle.READY and not self.enter(at):
            return 0
        if size > 4 and memcmp(at, "PUB ", 4) == 0:
            used = self.try_quick(at, at + size, stable)
            if used > 0:
                return used
        found = find_line(at, size, self.max_control_line, &line)
        if found == LINE:
            return self.on_line(&line, at, size, stable)
        if found == BEGUN:
            self.skipping = line.verb
            return line.size
        if found == INCOMPLETE:
            return 0
        if found == TOO_LONG:
            self.fail("Maximum Control Line Exceeded", "maximum control line exceeded", "")
        else:
            self.fail("Protocol Violation", "Unknown Protocol Operation", "Client parser ERROR")
        return size

    cdef bint enter(self, const char *at) except -1:
        """A verb begins before the peer is READY: may it? Only CONNECT is told by its first byte."""
        cdef int phase
        if at[0] == b'C' or at[0] == b'c':
            return True
        phase = follow(self.phase, lifecycle.VERB)
        if phase < 0:
            self.fail("Authentication Failure", "Authorization Violation", "verb before CONNECT")
            return False
        if phase == lifecycle.DECIDING:
            self.phase = phase
            self.was_connected = self.pong_due = True
            self.session.on_connect(None)
            return self.phase == lifecycle.READY
        return True

    cdef Py_ssize_t try_quick(self, const char *at, const char *end, bint stable) except -1:
        """A well-formed PUB on another subject than the last: look the route up, remember it."""
        cdef const char *subject = at + 4
        cdef const char *space = <const char *>memchr(subject, b' ', end - subject)
        cdef size_t size
        cdef Route route
        if space == NULL or self.pedantic or self.is_verbose:
            return 0
        size = space - subject
        if size == 0 or size + 5 > MEMO or memchr(subject, b'\n', size) != NULL or memchr(subject, b'\t', size) != NULL:
            return 0
        if subject[0] == b'_' or subject[0] == b'$':
            if is_reserved_subject(subject, size, self.home.system):
                return 0
        route = self.home.route(subject, size)
        if route.choices is not None:
            return 0
        if self.verdicts is not None and not self.verdicts.judge(
            PyBytes_AS_STRING(route.subject), PyBytes_GET_SIZE(route.subject)
        ):
            return 0
        memcpy(self.memo, at, size + 5)
        self.memo_size = size + 5
        self.memo_route = route
        return self.publish_at(at, space + 1, end, route, stable)

    cdef Py_ssize_t publish_at(self, const char *at, const char *rest, const char *end, Route route,
                               bint stable) except -1:
        """Deliver a PUB of which ``rest`` follows the subject; 0 if the general path must look at it."""
        cdef const char *digits = rest
        cdef const char *p = rest
        cdef const char *payload
        cdef size_t size = 0
        cdef Message message
        cdef int taken
        message.reply_size = 0
        while True:
            while p < end and b'0' <= p[0] <= b'9':
                size = size * 10 + (p[0] - c'0')
                p += 1
            if p + 2 > end:
                return 0
            if p[0] == b'\r' and p[1] == b'\n' and p > digits and p - digits <= 9:
                break
            if message.reply_size:
                return 0
            p = <const char *>memchr(rest, b' ', min(end - rest, <Py_ssize_t>self.max_control_line))
            if p == NULL or p == rest or memchr(rest, b'\n', p - rest) != NULL or memchr(rest, b'\t', p - rest) != NULL:
                return 0
            message.reply = rest
            message.reply_size = p - rest
            if is_reserved_reply(rest, p - rest):
                return 0
            p += 1
            digits = p
            size = 0
        payload = p + 2
        if <size_t>(end - payload) < size + 2 or payload[size] != b'\r' or payload[size + 1] != b'\n':
            return 0
        if (self.max_payload >= 0 and size > <size_t>self.max_payload) or (
            <size_t>(p - at) - 4 > self.max_control_line or not holds(route, clock()[0])
        ):
            self.memo_size = 0
            return 0
        message.head = rest
        message.stable = stable
        message.header_size = 0
        message.size = size
        if size < BORROW_MIN:
            message.head_size = payload + size + 2 - rest
            message.body_size = 0
        else:
            message.head_size = payload - rest
            message.body = payload
            message.body_size = size + 2
        self.messages += 1
        self.bytes += size
        self.home.tally.in_messages += 1
        self.home.tally.in_bytes += size
        taken = route.deliver(&message, &self.sink)
        if taken == 0 and message.reply_size and self.no_responders:
            self.answer_no_responders(route, &message)
        return payload + size + 2 - at

    # -- verbs

    cdef int on_free(self, int verb) except -1:
        """A verb whose arguments do not matter."""
        if verb == V_PING:
            return self.on_ping()
        if verb == V_PONG:
            return self.on_pong()
        return 0

    cdef Py_ssize_t on_line(self, Line *line, const char *at, size_t size, bint stable) except -1:
        if line.verb == V_PUB or line.verb == V_HPUB:
            return self.on_pub(line, at, size, stable)
        if line.verb == V_SUB:
            self.on_sub(line)
        elif line.verb == V_UNSUB:
            self.on_unsub(line)
        elif line.verb == V_CONNECT:
            self.on_connect(line)
        elif line.verb == V_INFO:
            if not self.session.on_info(text(line.args, line.args_size)):
                self.fail("Protocol Violation", "", "INFO is no JSON")
        elif line.verb == V_ERR:
            self.session.on_peer_error(text(line.args, line.args_size))
            self.close("Parse Error")
        else:
            self.on_free(line.verb)
        return line.size

    cdef int on_connect(self, Line *line) except -1:
        self.phase = follow(self.phase, lifecycle.CONNECT)
        self.leave_space()
        self.connecting = True
        if not self.was_connected:
            self.was_connected = self.pong_due = True
        self.session.on_connect(text(line.args, line.args_size))
        return 0

    cdef int on_ping(self) except -1:
        self.queue_bytes("PONG\r\n", 6)
        if self.pong_due:
            self.pong_due = False
            self.session.on_first_pong()
        return 0

    cdef int on_pong(self) except -1:
        self.pings = 0
        self.session.on_pong()
        return 0

    cdef Py_ssize_t on_pub(self, Line *line, const char *at, size_t size, bint stable) except -1:
        """PUB and HPUB in general: ``subject [reply] [header size] size``."""
        cdef Word words[ARGUMENTS]
        cdef int count = split(line.args, line.args_size, words)
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
            self.fail("Maximum Message Payload Exceeded", "Maximum Payload Violation",
                      f"maximum payload exceeded: {total} vs {self.max_payload}")
            return size
        if not self.all_there(payload, at + size, total):
            if self.phase < lifecycle.CLOSING:
                self.wanted = line.size + total + 1  # its end is judged as soon as it comes
                return 0
            return size
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
        """A message is all there: judge it, then deliver it."""
        cdef Route route
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
        if route is not None and self.verdicts is not None and not self.verdicts.judge(
            PyBytes_AS_STRING(route.subject), PyBytes_GET_SIZE(route.subject)
        ) and not (self.sink.tracks and self.session.may_respond(route.subject)):
            return self.refuse_publish(route.subject)
        if message.reply_size and is_reserved_reply(message.reply, message.reply_size):
            reply = text(message.reply, message.reply_size)
            return self.refuse(b"Permissions Violation for Publish with Reply of " + quoted(reply), "reply", reply, None)
        self.ok()
        if route is None:
            return 0
        return self.dispatch(route, message)

    cdef int dispatch(self, Route route, Message *message) except -1:
        if route.deliver(message, &self.sink) == 0 and message.reply_size and self.no_responders:
            self.answer_no_responders(route, message)
        return 0

    cdef int answer_no_responders(self, Route route, Message *message) except -1:
        """Nobody took a request: say so on its reply, if this connection itself listens there."""
        cdef Entry entry
        cdef bytes reply = text(message.reply, message.reply_size)
        cdef bytes status
        cdef bytes line
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

    cdef int on_sub(self, Line *line) except -1:
        cdef Word words[ARGUMENTS]
        cdef int count = split(line.args, line.args_size, words)
        if count == 2:
            return self.subscribe(text(words[0].text, words[0].size), None, text(words[1].text, words[1].size))
        if count == 3:
            return self.subscribe(text(words[0].text, words[0].size), text(words[1].text, words[1].size),
                                  text(words[2].text, words[2].size))
        return self.fail("Protocol Violation", "", "wrong number of arguments of SUB")

    cdef int subscribe(self, bytes subject, bytes queue, bytes sid) except -1:
        cdef Subscription subscription
        if queue == b"_sys_" or (self.checks_subscribe and not self.session.may_subscribe(subject, queue)):
            return self.refuse(
                b"Permissions Violation for Subscription to " + quoted(subject)
                + (b"" if queue is None else b" using queue " + quoted(queue)),
                "subscribe", subject, queue,
            )
        if 0 < self.max_subscription_tokens < <long>count_tokens(PyBytes_AS_STRING(subject), len(subject)):
            return self.refuse(
                b"Permissions Violation for Subscription to " + quoted(subject) + b", too many tokens",
                "tokens", subject, None,
            )
        if 0 < self.max_subscriptions <= len(self.subs):
            return self.refuse(b"maximum subscriptions exceeded", "subscriptions", subject, None)
        if sid not in self.subs:
            if shape_of(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject)) == INVALID:
                return self.refuse(b"Invalid Subject", "subject", subject, None)
            subscription = Subscription(subject, queue, sid, self)
            self.subs[sid] = subscription
            self.home.add(subscription)
        return self.ok()

    def revoke(self, bytes sid not None):
        cdef Subscription subscription = self.subs.get(sid)
        if subscription is None:
            return False
        self.remove(subscription)
        self.refuse(
            b"Permissions Violation for Subscription to " + quoted(subscription.subject)
            + (b"" if subscription.queue is None else b" using queue " + quoted(subscription.queue))
            + b" (sid " + quoted(sid) + b")",
            "subscribe", subscription.subject, subscription.queue,
        )
        return True

    cdef int on_unsub(self, Line *line) except -1:
        cdef Word words[ARGUMENTS]
        cdef int count = split(line.args, line.args_size, words)
        cdef long limit = 0
        cdef Subscription subscription
        if count < 1 or count > 2:
            return self.fail("Protocol Violation", "", "wrong number of arguments of UNSUB")
        if count == 2:
            limit = number(words[1].text, words[1].size)
        subscription = self.subs.get(text(words[0].text, words[0].size))
        if subscription is not None:
            if limit > 0 and <unsigned long>limit > subscription.count.delivered:
                subscription.count.max = limit
            else:
                self.remove(subscription)
        return self.ok()

    # -- what is wrong

    cdef int fail(self, str reason, str error, str cause) except -1:
        """The peer broke the rules: tell it, perhaps, and close."""
        self.close(reason, error, cause)
        return 0

    cdef int refuse(self, bytes error, str kind, bytes subject, bytes detail) except -1:
        """Tell the peer and the log; the connection goes on."""
        self.report(error)
        self.session.on_violation(kind, subject, detail)
        return 0

    cdef int refuse_publish(self, bytes subject) except -1:
        return self.refuse(b"Permissions Violation for Publish to " + quoted(subject), "publish", subject, None)
