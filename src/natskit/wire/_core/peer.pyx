"""Who is at the other end: its state, its place, what it may do and what it listens to."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from libc.string cimport memcpy, memmove

from natskit.wire._core cimport lifecycle
from natskit.wire._core.index cimport Subscription
from natskit.wire._core.lifecycle cimport follow
from natskit.wire._core.output cimport Outbox, Output
from natskit.wire._core.sink cimport BROKEN, FINISHED, REQUESTS, SLOW, TALK, discard, mark, send_now
from natskit.wire._core.parser cimport INCOMPLETE, Line, find_line
from natskit.wire._core.space cimport Space
from natskit.wire._core.verdict cimport Verdicts

import os


cdef inline bint is_blank(char letter) noexcept:
    return letter == b' ' or letter == b'\t'


cdef class Peer(Output):
    def __init__(self, Outbox outbox, session, *, size_t max_control_line=4096, long max_payload=1 << 20,
                 size_t max_pending=64 << 20, long max_subscriptions=0, long max_subscription_tokens=0,
                 bint stalls=True):
        self.session = session
        self.subs = {}
        self.is_verbose = True
        self.pedantic = True
        self.skipping = -1
        self.max_control_line = max_control_line
        self.max_payload = max_payload
        self.max_subscriptions = max_subscriptions
        self.max_subscription_tokens = max_subscription_tokens
        self.sink.max_pending = max_pending
        self.sink.stalls = stalls
        self.reason = self.cause = ""

    def __dealloc__(self):
        PyMem_RawFree(self.held)

    # -- what the owner sees and sets

    @property
    def state(self):
        return self.phase

    @property
    def closing(self):
        return self.phase >= lifecycle.CLOSING

    @property
    def space(self):
        return self.home

    @property
    def verbose(self):
        return self.is_verbose

    @verbose.setter
    def verbose(self, bint value):
        self.is_verbose = value
        self.memo_size = 0

    @property
    def echo(self):
        return bool(self.sink.echo)

    @echo.setter
    def echo(self, bint value):
        self.sink.echo = value

    @property
    def headers(self):
        return bool(self.sink.headers)

    @headers.setter
    def headers(self, bint value):
        self.sink.headers = value

    @property
    def talks(self):
        return bool(self.sink.tracks & TALK)

    @talks.setter
    def talks(self, bint value):
        self.sink.tracks = (self.sink.tracks & REQUESTS) | (TALK if value else 0)
        self.memo_size = 0

    @property
    def in_messages(self):
        return self.messages

    @property
    def in_bytes(self):
        return self.bytes

    @property
    def spoken(self):
        return self.messages + self.requests

    @property
    def last_activity(self):
        return self.read_at

    @property
    def last_delivery(self):
        return self.delivered_at

    @property
    def pings_outstanding(self):
        return self.pings

    @property
    def subscription_count(self):
        return len(self.subs)

    def subscriptions(self):
        return list(self.subs.values()) if self.left is None else list(self.left)

    @property
    def held_bytes(self):
        return self.held_end - self.held_start

    # -- admission

    def welcome(self, Space space=None, *, bint anonymous=False):
        if space is not None:
            self.home = space
            self.phase = lifecycle.OPEN
        elif anonymous:
            self.phase = lifecycle.ANONYMOUS

    def admit(self, Space space not None, *, Verdicts publish=None, Verdicts subscribe=None,
              bint checks_deliver=False, bint tracks_replies=False):
        cdef int phase = follow(self.phase, lifecycle.ADMIT)
        if phase < 0:
            return
        if self.home is not space:
            self.leave_space()
        self.home = space
        self.may_publish = publish
        self.may_subscribe = subscribe
        if self.checks_deliver or checks_deliver:
            space.invalidate()
        self.checks_deliver = checks_deliver
        self.sink.tracks = (self.sink.tracks & TALK) | (REQUESTS if tracks_replies else 0)
        self.memo_size = 0
        self.memo_route = None
        decided = self.phase == lifecycle.DECIDING
        self.phase = phase
        if decided:
            self.admitted()

    cdef int admitted(self) except -1:
        if self.connecting:
            self.connecting = False
            self.ok()
        return self.go_on()

    cdef int go_on(self) except -1:
        """Parse input that was held; the parser does it."""
        return 0

    def pause(self):
        self.paused = True
        self.outbox.watch(self, False, self.writing)

    def resume(self):
        if self.paused:
            self.paused = False
            self.go_on()

    # -- subscriptions

    cdef int talked(self, str direction, bytes text) except -1:
        if self.session is not None:
            self.session.on_talk(direction, text)
        return 0

    cdef int carried(self, str direction, bytes payload, size_t header_size) except -1:
        if payload and self.session is not None:
            self.session.on_payload(direction, payload, header_size)
        return 0

    cdef int remove(self, Subscription subscription) except -1:
        if self.sink.tracks & TALK:
            self.talked("<->", b"DELSUB " + subscription.sid)
        del self.subs[subscription.sid]
        return self.home.drop(subscription)

    cdef int leave_space(self) except -1:
        """Drop every subscription."""
        cdef Subscription subscription
        for subscription in self.subs.values():
            if self.sink.tracks & TALK:
                self.talked("<->", b"DELSUB " + subscription.sid)
            self.home.drop(subscription)
        self.subs.clear()
        self.memo_size = 0
        self.memo_route = None
        return 0

    cdef int expire(self, object subscription) except -1:
        if self.subs.get((<Subscription>subscription).sid) is subscription:
            self.remove(subscription)
        return 0

    cdef bint accepts(self, bytes subject, bytes queue) except -1:
        return not self.checks_deliver or bool(self.session.may_deliver(subject, queue))

    cdef int requested(self, const char *reply, size_t size) except -1:
        self.session.on_request(PyBytes_FromStringAndSize(reply, size))
        return 0

    # -- answers

    cdef int ok(self) except -1:
        return self.queue_bytes("+OK\r\n", 5) if self.is_verbose else 0

    cdef int report(self, bytes text) except -1:
        cdef bytes line = b"-ERR '%b'\r\n" % text
        return self.queue_bytes(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))

    def error(self, str text not None):
        self.report(text.encode())

    def ping(self):
        self.pings += 1
        self.queue_bytes("PING\r\n", 6)
        return self.pings

    # -- input that waits

    cdef int hold(self, const char *data, size_t size) except -1:
        """Keep input until its rest comes."""
        cdef size_t waiting = self.held_end - self.held_start
        cdef char *grown
        if self.held_end + size > self.held_capacity:
            if self.held_start:
                memmove(self.held, self.held + self.held_start, waiting)
                self.held_start = 0
                self.held_end = waiting
            if waiting + size > self.held_capacity:
                grown = <char *>PyMem_RawRealloc(self.held, waiting + size + waiting // 2)
                if grown == NULL:
                    raise MemoryError
                self.held = grown
                self.held_capacity = waiting + size + waiting // 2
        memcpy(self.held + self.held_end, data, size)
        self.held_end += size
        self.squeeze()
        return 0

    cdef int squeeze(self) except -1:
        """Endless spaces after a verb are no argument, so no limit ends them: keep one of them."""
        cdef const char *start = self.held + self.held_start
        cdef size_t size = self.held_end - self.held_start
        cdef size_t verb = 0
        cdef Line line
        if size < 2 or not is_blank(start[size - 1]) or not is_blank(start[size - 2]):
            return 0
        line.args = NULL
        if find_line(start, size, size, &line) != INCOMPLETE or line.args != start + size:
            return 0
        while not is_blank(start[verb]):
            verb += 1
        self.held_end = self.held_start + verb + 1
        return 0

    cdef int release_held(self) except -1:
        PyMem_RawFree(self.held)
        self.held = NULL
        self.held_start = self.held_end = self.held_capacity = 0
        return 0

    # -- the end

    def close(self, str reason not None, str error not None="", str cause not None=""):
        cdef int phase = follow(self.phase, lifecycle.CLOSE)
        if phase < 0:
            return
        if error:
            self.report(error.encode())
        self.phase = phase
        self.reason = reason
        self.cause = cause
        self.left = list(self.subs.values())
        self.leave_space()
        if not self.parsing:
            self.release_held()
        if not self.sink.death:
            self.sink.death = FINISHED
        self.sink.limit = 0
        self.outbox.watch(self, False, self.writing)
        mark(&self.sink)

    def cut(self, str reason not None, str cause not None=""):
        cdef int phase = follow(self.phase, lifecycle.CUT)
        if phase < 0:
            return
        if self.phase != lifecycle.CLOSING:
            self.reason = reason
            self.cause = cause
            self.left = list(self.subs.values())
            self.leave_space()
        self.phase = phase
        self.end()

    cdef int end(self) except -1:
        """Let go of everything and tell the owner."""
        if not self.parsing:
            self.release_held()
        discard(&self.sink)
        if not self.sink.death:
            self.sink.death = FINISHED
        self.sink.limit = 0
        self.outbox.forget(self)  # home stays: what is being published may have cut its publisher
        session, self.session = self.session, None
        session.on_close(self.reason, self.cause)
        self.left = None
        return 0

    # -- output

    cdef int settle(self) except -1:
        """The round is over: send, and see what became of it."""
        if self.phase == lifecycle.CLOSED:
            return 0
        if self.sink.messages != self.delivered:
            self.delivered, self.delivered_at = self.sink.messages, now()
        if self.sink.fd < 0:
            if self.sink.tail > self.sink.head:
                self.session.on_output()
        elif not self.sink.blocked:
            send_now(&self.sink)
        if self.sink.death == SLOW:
            self.cut("Slow Consumer (Pending Bytes)", f"MaxPending of {self.sink.max_pending} Exceeded")
        elif self.sink.death == BROKEN:
            self.cut("Write Error", os.strerror(self.sink.error))
        elif self.sink.blocked and not self.writing:
            self.writing = True
            self.outbox.watch(self, not self.paused and self.phase < lifecycle.CLOSING, True)
            self.session.on_blocked(self.sink.tail - self.sink.head)
        else:
            self.drained()
        return 0

    def drained(self):
        if self.phase == lifecycle.CLOSING and self.sink.tail == self.sink.head:
            self.phase = follow(self.phase, lifecycle.CUT)
            self.end()

    cdef int writable(self) except -1:
        """The descriptor takes more."""
        if self.phase == lifecycle.CLOSED:
            return 0
        self.sink.blocked = False
        send_now(&self.sink)
        if self.sink.blocked or self.sink.death == BROKEN:
            return self.settle()
        self.writing = False
        self.outbox.watch(self, not self.paused and self.phase < lifecycle.CLOSING, False)
        self.session.on_blocked(0)
        self.drained()
        return 0
