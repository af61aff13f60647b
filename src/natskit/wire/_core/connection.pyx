"""What the peer says: parsing of its input, and every verb but PUB and HPUB."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp

from natskit.wire._core cimport lifecycle
from natskit.wire._core.grammar cimport INVALID, count_tokens, shape_of
from natskit.wire._core.index cimport Subscription
from natskit.wire._core.lifecycle cimport follow
from natskit.wire._core.parser cimport (
    ARGUMENTS, BEGUN, INCOMPLETE, LINE, TOO_LONG, V_CONNECT, V_ERR, V_HPUB, V_INFO, V_PING, V_PONG, V_PUB, V_SUB,
    V_UNSUB, Line, Word, find_line, number, split,
)
from natskit.wire._core.peer cimport now
from natskit.wire._core.publisher cimport Publisher
from natskit.wire._core.quote cimport quoted
from natskit.wire._core.sink cimport TALK

cdef double STALL_S = 0.005     # how long a publisher waits for a receiver that is close to its limit


cdef inline bytes text(const char *data, size_t size):
    return PyBytes_FromStringAndSize(data, size)


cdef class Connection(Publisher):
    # -- input

    def feed(self, data not None):
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        self.outbox.enter()
        try:
            if view.len and self.phase < lifecycle.CLOSING:
                self.read_at = now()
                self.take_in(<const char *>view.buf, view.len, self.outbox.round.depth == 1)
                if self.paused or self.phase == lifecycle.DECIDING:
                    self.outbox.watch(self, False, False)
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
                    used = self.publish_at(at, end, stable)
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
        if size > 5 and (memcmp(at, "PUB ", 4) == 0 or memcmp(at, "HPUB ", 5) == 0):
            used = self.try_quick(at, at + (4 if at[0] == b'P' else 5), at + size, stable)
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

    # -- verbs

    cdef int on_free(self, int verb) except -1:
        """A verb whose arguments do not matter."""
        if self.sink.tracks & TALK and (verb == V_PING or verb == V_PONG):
            self.talked("<<-", b"PING" if verb == V_PING else b"PONG")
        if verb == V_PING:
            return self.on_ping()
        if verb == V_PONG:
            return self.on_pong()
        return 0

    cdef Py_ssize_t on_line(self, Line *line, const char *at, size_t size, bint stable) except -1:
        if line.verb == V_PUB or line.verb == V_HPUB:
            return self.on_pub(line, at, size, stable)
        if self.sink.tracks & TALK and (line.verb == V_SUB or line.verb == V_UNSUB or line.verb == V_CONNECT):
            self.talked("<<-", at[:line.args - at].split(None, 1)[0].upper() + b" " + text(line.args, line.args_size))
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
        self.connecting = True
        if self.was_connected:
            self.leave_space()
        else:
            self.was_connected = self.pong_due = True
        self.session.on_connect(text(line.args, line.args_size))
        return 0

    cdef int on_ping(self) except -1:
        self.requests += 1
        self.queue_bytes("PONG\r\n", 6)
        if self.pong_due:
            self.pong_due = False
            self.session.on_first_pong()
        return 0

    cdef int on_pong(self) except -1:
        self.pings = 0
        self.session.on_pong()
        return 0

    cdef int on_sub(self, Line *line) except -1:
        cdef Word words[ARGUMENTS]
        cdef int count = split(line.args, line.args_size, words, True)
        self.requests += 1
        if count == 2:
            return self.subscribe(text(words[0].text, words[0].size), None, text(words[1].text, words[1].size))
        if count == 3:
            return self.subscribe(text(words[0].text, words[0].size), text(words[1].text, words[1].size),
                                  text(words[2].text, words[2].size))
        return self.fail("Protocol Violation", "", "wrong number of arguments of SUB")

    cdef int subscribe(self, bytes subject, bytes queue, bytes sid) except -1:
        cdef Subscription subscription
        if queue == b"_sys_" or not self.allows_subscription(subject, queue):
            return self.refuse(
                b"Permissions Violation for Subscription to " + quoted(subject)
                + (b"" if queue is None else b" using queue " + quoted(queue)),
                "subscribe", subject, queue, sid,
            )
        if self.phase >= lifecycle.CLOSING:  # the session has closed it meanwhile
            return 0
        if 0 < self.max_subscription_tokens < <long>count_tokens(PyBytes_AS_STRING(subject), len(subject)):
            return self.refuse(
                b"Permissions Violation for Subscription to " + quoted(subject) + b", too many tokens",
                "tokens", subject, None, sid,
            )
        if 0 < self.max_subscriptions <= len(self.subs):
            return self.refuse(b"maximum subscriptions exceeded", "subscriptions", subject, None, sid)
        if sid not in self.subs:
            if shape_of(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject)) == INVALID:
                return self.refuse(b"Invalid Subject", "subject", subject, None, sid)
            subscription = Subscription(subject, queue, sid, self)
            self.subs[sid] = subscription
            self.home.add(subscription)
        return self.ok()

    cdef bint allows_subscription(self, bytes subject, bytes queue) except -1:
        if self.may_subscribe is None:
            return True
        if queue is None:
            return self.may_subscribe.judge(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject))
        return bool(self.session.may_subscribe(subject, queue))

    def revoke(self, bytes sid not None):
        cdef Subscription subscription = self.subs.get(sid)
        if subscription is None:
            return False
        self.remove(subscription)
        self.refuse(
            b"Permissions Violation for Subscription to " + quoted(subscription.subject)
            + (b"" if subscription.queue is None else b" using queue " + quoted(subscription.queue))
            + b" (sid " + quoted(sid) + b")",
            "subscribe", subscription.subject, subscription.queue, sid,
        )
        return True

    cdef int on_unsub(self, Line *line) except -1:
        cdef Word words[ARGUMENTS]
        cdef int count = split(line.args, line.args_size, words, True)
        cdef long limit = 0
        cdef Subscription subscription
        self.requests += 1
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
