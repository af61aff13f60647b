"""Where messages on one subject go.

A route is an array of deliveries, each with the prepared start of its line, so that delivering is copying: the
prefix, then what stood behind the subject in the publisher's own line, digits and payload as they came. Plain
subscriptions come first, then one slice per queue group.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_WriteUnraisable
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.object cimport PyObject
from libc.string cimport memcpy

from natskit.wire._core.epochs cimport WATCHED, Epochs, clock, watch
from natskit.wire._core.output cimport Output
from natskit.wire._core.sink cimport BORROW_MIN, REQUESTS, TALK, Sink, borrow, put, reserve

import os

cdef uint64_t RANDOM = int.from_bytes(os.urandom(8), "little") | 1


cdef uint32_t random_below(uint32_t end) noexcept nogil:
    """Uniform enough for spreading load (xorshift64*)."""
    global RANDOM
    RANDOM ^= RANDOM >> 12
    RANDOM ^= RANDOM << 25
    RANDOM ^= RANDOM >> 27
    return <uint32_t>(((RANDOM * <uint64_t>0x2545F4914F6CDD1DULL) >> 32) * end >> 32)


cdef class Stop:
    """One delivery while a route is being put together."""


cdef class Route:
    def __cinit__(self, bytes subject not None):
        self.subject = subject
        self.watched = self.own_watched
        self.weight = 256 + PyBytes_GET_SIZE(subject)

    def __dealloc__(self):
        PyMem_RawFree(self.deliveries)
        PyMem_RawFree(self.groups)
        PyMem_RawFree(self.prefixes)
        if self.watched != self.own_watched:
            PyMem_RawFree(self.watched)

    cdef int watch(self, Epochs *epochs, bytes subject) except -1:
        """Depend on what a space (kept alive by the caller) knows about a subject."""
        cdef uint32_t i
        if self.watched_count:
            self.widen()
        watch(epochs, PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject), self.watched + self.watched_count)
        for i in range(self.watched_count, self.watched_count + WATCHED):
            self.watched_sum += self.watched[i][0]
        self.watched_count += WATCHED
        self.checked = clock()[0]
        return 0

    cdef int widen(self) except -1:
        """Make room for what another space knows."""
        cdef size_t size = (self.watched_count + WATCHED) * sizeof(uint64_t *)
        cdef uint64_t **grown
        if self.watched == self.own_watched:
            grown = <uint64_t **>PyMem_RawMalloc(size)
            if grown != NULL:
                memcpy(grown, self.own_watched, sizeof(self.own_watched))
        else:
            grown = <uint64_t **>PyMem_RawRealloc(self.watched, size)
        if grown == NULL:
            raise MemoryError
        self.watched = grown
        return 0

    cdef int hold(self, object owner) except -1:
        """Keep something alive that the route points into."""
        if self.keep is None:
            self.keep = []
        self.keep.append(owner)
        return 0

    cdef bint still_holds(self) noexcept:
        """Counters only grow, so an unchanged sum means that none has moved."""
        cdef uint64_t total = 0
        cdef uint32_t i
        for i in range(self.watched_count):
            total += self.watched[i][0]
        if total != self.watched_sum:
            return False
        self.checked = clock()[0]
        return True

    cdef int prepare(self, list plain, dict queues) except -1:
        """Lay out the stops: ``plain`` a list of Stop, ``queues`` lists of Stop by queue name."""
        cdef list stops = plain
        cdef list members
        cdef size_t length = 0
        cdef Stop stop
        self.plain = len(plain)
        if queues:
            stops = list(plain)
            self.groups = <Group *>PyMem_RawMalloc(len(queues) * sizeof(Group))
            if self.groups == NULL:
                raise MemoryError
            for members in queues.values():
                self.groups[self.group_count].start = len(stops)
                self.groups[self.group_count].size = len(members)
                self.group_count += 1
                stops.extend(members)
        if not stops:
            return 0
        for stop in stops:
            length += len(stop.prefix)
        self.deliveries = <Delivery *>PyMem_RawMalloc(len(stops) * sizeof(Delivery))
        self.prefixes = <char *>PyMem_RawMalloc(length)
        if self.deliveries == NULL or self.prefixes == NULL:
            raise MemoryError
        self.weight += length + len(stops) * (sizeof(Delivery) + sizeof(PyObject *))
        length = 0
        for stop in stops:
            self.add(stop, self.prefixes + length)
            length += len(stop.prefix)
        return 0

    cdef int add(self, Stop stop, char *prefix) except -1:
        cdef Delivery *delivery = &self.deliveries[self.total]
        memcpy(prefix, PyBytes_AS_STRING(stop.prefix), PyBytes_GET_SIZE(stop.prefix))
        delivery.sink = stop.sink
        delivery.count = stop.count
        delivery.tally = stop.tally
        delivery.prefix = prefix
        delivery.prefix_size = PyBytes_GET_SIZE(stop.prefix)
        delivery.entry = <PyObject *>stop.entry
        self.hold(stop.entry)
        self.total += 1
        return 0

    cdef int deliver(self, Message *message, Sink *publisher) except -1:
        """Hand a message to everyone; return how many took it. ``publisher`` may be NULL (the server)."""
        cdef uint32_t i
        cdef int taken = 0
        for i in range(self.plain):
            taken += hand(&self.deliveries[i], message, publisher)
        for i in range(self.group_count):
            taken += hand_one(self.deliveries + self.groups[i].start, self.groups[i].size, message, publisher)
        return taken


    cdef int deliver_traced(self, Message *message, Sink *publisher, object trace) except -1:
        """As deliver, telling a trace of each receiver; one that only asks delivers nothing."""
        cdef uint32_t i
        cdef uint32_t k
        cdef uint32_t start
        cdef Group group
        cdef int taken = 0
        for entry in self.denied or ():
            trace.on_egress(entry, self.subject, "subscription denies this subject")
        for i in range(self.plain):
            taken += hand_traced(&self.deliveries[i], message, publisher, trace)
        for i in range(self.group_count):
            group = self.groups[i]
            start = random_below(group.size)
            for k in range(group.size):
                if hand_traced(&self.deliveries[group.start + (start + k) % group.size], message, publisher, trace):
                    taken += 1
                    break
        return taken


cdef int hand_traced(Delivery *delivery, Message *message, Sink *publisher, object trace) except -1:
    """Deliver one copy, or only see whether it would be taken, and tell."""
    cdef Sink *sink = delivery.sink
    cdef bytes line = PyBytes_FromStringAndSize(delivery.prefix, delivery.prefix_size)
    cdef object entry = <object>delivery.entry
    cdef str why = None
    if sink == NULL:
        return call(delivery, message, publisher) if trace.reaches(entry) else 1
    if sink == publisher and not sink.echo:
        why = "of no echo"
    elif sink.death:
        why = "client is closed"
    elif not trace.only and not hand(delivery, message, publisher):
        why = "fast producer not stalled and consumer is slow"
    trace.on_egress(entry, line.split(b" ")[1], why)
    return 1 if why is None else 0


cdef int hand_one(Delivery *members, uint32_t size, Message *message, Sink *publisher) except -1:
    """Deliver to one member of a queue group: a random one, or the next that accepts."""
    cdef uint32_t start = random_below(size)
    cdef uint32_t i
    for i in range(size):
        if hand(&members[(start + i) % size], message, publisher):
            return 1
    return 0


cdef inline int hand(Delivery *delivery, Message *message, Sink *publisher) except -1:
    """Deliver one copy; 0 if the receiver does not take it."""
    cdef Sink *sink = delivery.sink
    cdef uint64_t size = message.size
    cdef size_t skip = message.header_size == 0  # "HMSG" without its first letter is "MSG"
    if sink == NULL:
        return call(delivery, message, publisher)
    if sink == publisher and not sink.echo:
        return 0
    if skip or sink.headers:
        if message.body_size == 0:
            if not put(sink, delivery.prefix + skip, delivery.prefix_size - skip, message.head, message.head_size):
                return 0
        elif not lay(sink, delivery.prefix + skip, delivery.prefix_size - skip, message.head, message.head_size,
                     message.body, message.body_size, message.stable):
            return 0
    else:
        size -= message.header_size
        if not lay(sink, delivery.prefix + 1, delivery.prefix_size - 1, message.plain_head, message.plain_head_size,
                   message.plain_body, message.plain_body_size, message.stable):
            return 0
    sink.messages += 1
    sink.bytes += size
    delivery.tally.out_messages += 1
    delivery.tally.out_bytes += size
    if sink.tracks:
        tell(delivery, message)
    if delivery.count != NULL:
        delivery.count.delivered += 1
        if delivery.count.max and delivery.count.delivered >= delivery.count.max:
            (<Output>sink.owner).expire(<object>delivery.entry)
    return 1


cdef int tell(Delivery *delivery, Message *message) except -1:
    """The owner of a receiver wants to know what it gets."""
    cdef Sink *sink = delivery.sink
    cdef Output owner = <Output>sink.owner
    cdef bint whole = message.header_size == 0 or sink.headers
    cdef bytes prefix
    cdef bytes head
    cdef bytes payload
    if sink.tracks & REQUESTS and message.reply_size:
        owner.requested(message.reply, message.reply_size)
    if sink.tracks & TALK:
        head = message.head[:message.head_size] if whole else message.plain_head[:message.plain_head_size]
        payload = counted(message)
        prefix = PyBytes_FromStringAndSize(delivery.prefix, delivery.prefix_size)
        if message.header_size == 0 or not whole:
            prefix = prefix[1:]
        owner.talked("->>", prefix + head.partition(b"\r\n")[0])
        owner.carried("->>", payload if whole else payload[message.header_size:], message.header_size if whole else 0)
    return 0


cdef bytes counted(Message *message):
    """Headers and payload: they stand right before the last CRLF."""
    cdef const char *end = message.body + message.body_size if message.body_size else message.head + message.head_size
    return PyBytes_FromStringAndSize(end - 2 - message.size, message.size)


cdef bint lay(Sink *sink, const char *prefix, size_t prefix_size, const char *head, size_t head_size,
              const char *body, size_t body_size, bint stable) noexcept:
    """Append a message in three pieces, all or nothing; borrow a large body that stays where it is."""
    if stable and body_size >= BORROW_MIN:
        return borrow(sink, prefix, prefix_size, head, head_size, body, body_size)
    return (
        reserve(sink, prefix_size + head_size + body_size)
        and put(sink, prefix, prefix_size, head, head_size)
        and put(sink, body, body_size, "", 0)
    )


cdef int call(Delivery *delivery, Message *message, Sink *publisher) except -1:
    """Hand a message to the server itself. An error there is reported and is not the publisher's."""
    cdef bytes whole = counted(message)
    callback = (<object>delivery.entry).callback
    try:
        answer = callback(
            PyBytes_FromStringAndSize(delivery.prefix, delivery.prefix_size),
            PyBytes_FromStringAndSize(message.reply, message.reply_size),
            whole[:message.header_size],
            whole[message.header_size:],
            None if publisher == NULL else <object>publisher.owner,
        )
    except Exception:
        PyErr_WriteUnraisable(callback)
        return 0
    return answer is not False
