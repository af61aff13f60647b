"""One account's subjects: its index, the routes computed from it, imports into other spaces, statistics.

An import is an entry in the exporter's index that leads to the importer's. Routes go through it when they are
computed, never when a message is delivered: a prepared line just begins with the importer's subject.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.object cimport PyObject

from natskit.wire._core.epochs cimport Epochs, clock, hash_of, touch, touch_all
from natskit.wire._core.grammar cimport has_empty_token
from natskit.wire._core.index cimport Entry, Index, Subscription
from natskit.wire._core.output cimport Outbox, Output
from natskit.wire._core.sink cimport Sink
from natskit.wire._core.route cimport Message, Route, Stop, holds, random_below
from natskit.wire._core.table cimport Table


cdef class Link(Entry):
    def __cinit__(self, bytes subject not None, Space target not None, transform):
        self.target = target
        self.transform = transform


cdef class Internal(Entry):
    def __cinit__(self, bytes subject not None, callback, bint imports=True):
        self.callback = callback
        self.imports = imports


cdef class Space:
    def __cinit__(self, str name=""):
        self.name = name
        self.index = Index()
        self.routes = Table(ROUTES)
        self.epochs = <Epochs *>PyMem_RawCalloc(1, sizeof(Epochs))
        if self.epochs == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_RawFree(self.epochs)

    # -- entries

    cdef int changed(self, bytes pattern) except -1:
        touch(self.epochs, PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern))
        return 0

    cdef int add(self, Subscription subscription) except -1:
        self.index.insert(subscription)
        self.subscribed += 1
        return self.changed(subscription.subject)

    cdef int drop(self, Subscription subscription) except -1:
        self.index.remove(subscription)
        self.subscribed -= 1
        return self.changed(subscription.subject)

    def link(self, bytes pattern not None, Space target not None, transform):
        return self.enter(Link(pattern, target, transform))

    def unlink(self, Link link not None):
        self.leave(link)

    def subscribe_internal(self, bytes pattern not None, callback, *, bint imports=True):
        return self.enter(Internal(pattern, callback, imports))

    def unsubscribe_internal(self, Internal handle not None):
        self.leave(handle)

    cdef Entry enter(self, Entry entry):
        self.index.insert(entry)
        self.changed(entry.subject)
        return entry

    cdef int leave(self, Entry entry) except -1:
        self.index.remove(entry)
        return self.changed(entry.subject)

    def map_subjects(self, mapper):
        self.mapper = mapper
        touch_all(self.epochs)

    def invalidate(self):
        touch_all(self.epochs)

    # -- looking

    def matches(self, bytes subject not None):
        return self.index.match(subject)

    def has_interest(self, bytes subject not None):
        return self.route(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject)).total > 0

    def subscriptions(self):
        return [entry for entry in self.index.entries() if isinstance(entry, Subscription)]

    @property
    def subscription_count(self):
        return self.subscribed

    @property
    def cached_routes(self):
        return self.routes.used

    @property
    def lookups(self):
        return self.index.inserts, self.index.removes, self.index.searches

    def fanouts(self):
        return [(<Route>route).total for route in self.routes.values or () if isinstance(route, Route)]

    @property
    def in_messages(self):
        return self.tally.in_messages

    @property
    def in_bytes(self):
        return self.tally.in_bytes

    @property
    def out_messages(self):
        return self.tally.out_messages

    @property
    def out_bytes(self):
        return self.tally.out_bytes

    # -- routes

    cdef Route route(self, const char *subject, size_t size):
        """The route of a published subject, from the cache if it still holds."""
        cdef uint64_t hash = hash_of(subject, size)
        cdef PyObject *known = self.routes.find(subject, size, hash)
        cdef Route route
        cdef Route gone
        cdef bytes key
        if known != NULL:
            route = <Route>known
            if holds(route, clock()[0]):
                return route
        key = PyBytes_FromStringAndSize(subject, size)  # with a mapping it is not the subject of the route
        route = self.mapped(key) if self.mapper is not None else self.direct(key)
        if size > LONGEST:
            return route
        if self.weight + route.weight > WEIGHT:
            self.routes.clear()
            self.weight = 0
        gone = self.routes.put(key, hash, route)
        self.weight += route.weight
        if gone is not None:
            self.weight -= gone.weight
        return route

    cdef Route direct(self, bytes subject, bint links=True):
        """Compute the route of a subject, mappings aside; without ``links`` it stays in this space."""
        cdef Route route = Route(subject)
        cdef list plain = []
        cdef dict queues = {}
        cdef Entry entry
        cdef Link link
        route.home = self
        route.watch(self.epochs, subject)
        if not has_empty_token(subject, len(subject)):
            for entry in self.index.match(subject):
                if isinstance(entry, Link):
                    link = <Link>entry
                    local = link.transform(subject) if links else None
                    if local is not None:
                        link.target.collect_imported(route, <bytes?>local, plain, queues)
                else:
                    self.collect(route, entry, subject, False, plain, queues)
        route.prepare(plain, queues)
        return route

    cdef int collect_imported(self, Route route, bytes local, list plain, dict queues) except -1:
        """Who receives, here, what another space exports under a subject of ours. Links do not chain."""
        cdef Entry entry
        route.hold(self)
        route.watch(self.epochs, local)
        for entry in self.index.match(local):
            if not isinstance(entry, Link):
                self.collect(route, entry, local, True, plain, queues)
        return 0

    cdef int collect(self, Route route, Entry entry, bytes subject, bint imported, list plain, dict queues) except -1:
        """Add the stop of one entry, unless its owner must not see the subject."""
        cdef Stop stop
        cdef Subscription subscription
        cdef Output output
        if isinstance(entry, Internal):
            if imported and not (<Internal>entry).imports:
                return 0
            stop = Stop()
            stop.entry = entry
            stop.prefix = subject
            stop.tally = &self.tally
            plain.append(stop)
            return 0
        subscription = <Subscription>entry
        output = subscription.output
        if not output.accepts(subject, subscription.queue):
            if route.denied is None:
                route.denied = []
            route.denied.append(entry)
            route.weight += sizeof(PyObject *)
            return 0
        stop = Stop()
        stop.entry = entry
        stop.sink = &output.sink
        stop.count = NULL if imported else &subscription.count
        stop.tally = &self.tally
        stop.prefix = b"HMSG %b %b " % (subject, subscription.sid)
        if subscription.queue is None:
            plain.append(stop)
        else:
            queues.setdefault(subscription.queue, []).append(stop)
        return 0

    cdef Route mapped(self, bytes subject, bint links=True):
        """Compute the route of a subject that a mapping may rename or scatter by weight. Named nothing it reaches nobody."""
        cdef Route route
        mapping = self.mapper(subject)
        if mapping is None:
            return self.direct(subject, links)
        if len(mapping) == 1:
            return self.direct(mapping[0][1], links)
        route = Route(subject)
        route.home = self
        route.watch(self.epochs, subject)
        route.choices = [(weight, self.direct(name, links)) for weight, name in mapping]
        for _, choice in route.choices:
            route.weight += (<Route>choice).weight
        return route

    cdef Route choose(self, Route route):
        """Take one of the choices of a weighted mapping."""
        cdef Route choice = route
        cdef Py_ssize_t i
        cdef long left = random_below(max(1, sum([weight for weight, _ in route.choices])))
        for i in range(len(route.choices)):
            weight, choice = route.choices[i]
            left -= weight
            if left >= 0:
                continue
            if not holds(choice, clock()[0]):
                choice = self.direct(choice.subject)
                route.choices[i] = (weight, choice)
            break
        return choice

    # -- publishing

    def publish_internal(self, bytes subject not None, bytes reply not None=b"", bytes headers not None=b"",
                         bytes payload not None=b"", *, bint links=True, bint event=False, trace=None):
        cdef Message message
        cdef Route route
        if event and self.mapper is not None:
            route = self.direct(subject, links)  # mappings are for what clients publish, whom they may lead elsewhere
        elif links:
            route = self.route(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject))
        else:
            route = self.mapped(subject, False) if self.mapper is not None else self.direct(subject, False)
        cdef size_t total = PyBytes_GET_SIZE(headers) + PyBytes_GET_SIZE(payload)
        cdef bytes lead = reply + b" " if reply or event else b""
        cdef bytes head = b"%b%d %d\r\n" % (lead, len(headers), total) if headers else b"%b%d\r\n" % (lead, total)
        cdef bytes plain_head = b"%b%d\r\n" % (lead, len(payload))
        cdef bytes body = b"%b%b\r\n" % (headers, payload)
        message.subject = PyBytes_AS_STRING(subject)
        message.subject_size = PyBytes_GET_SIZE(subject)
        message.reply = PyBytes_AS_STRING(reply)
        message.reply_size = PyBytes_GET_SIZE(reply)
        message.head = PyBytes_AS_STRING(head)
        message.head_size = PyBytes_GET_SIZE(head)
        message.body = PyBytes_AS_STRING(body)
        message.body_size = PyBytes_GET_SIZE(body)
        message.size = total
        message.header_size = PyBytes_GET_SIZE(headers)
        message.plain_head = PyBytes_AS_STRING(plain_head)
        message.plain_head_size = PyBytes_GET_SIZE(plain_head)
        message.plain_body = PyBytes_AS_STRING(body) + message.header_size
        message.plain_body_size = message.body_size - message.header_size
        message.stable = False
        if route.choices is not None:
            route = self.choose(route)
        if trace is not None:
            return route.deliver_traced(&message, NULL, trace)
        return route.deliver(&message, NULL)
