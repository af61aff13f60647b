"""A bounded table from bytes to objects: four-way set-associative, like a processor's cache.

A key has four places where it may stand. When all are taken the table doubles, and when it has its full size the
oldest way in turn is overwritten. No probing, no tombstones, and a peer that floods it with keys, whatever they
hash to, costs others a recomputation and nothing else.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.string cimport memcmp, memset


cdef class Table:
    def __cinit__(self, size_t capacity):
        self.max_sets = 1
        while self.max_sets * WAYS < capacity:
            self.max_sets *= 2
        self.sets = min(<size_t>4, self.max_sets)

    def __dealloc__(self):
        cdef size_t i
        if self.slots != NULL:
            for i in range(self.sets * WAYS):
                Py_XDECREF(self.slots[i].key)
            PyMem_RawFree(self.slots)

    def __len__(self):
        return self.used

    cdef int clear(self) except -1:
        """Forget everything."""
        cdef size_t i
        cdef Slot slot
        if self.slots == NULL:
            return 0
        for i in range(self.sets * WAYS):
            slot = self.slots[i]
            memset(&self.slots[i], 0, sizeof(Slot))  # before the references go: their end may run code
            Py_XDECREF(slot.key)
        self.used = 0
        self.values = [None] * (self.sets * WAYS)
        return 0

    cdef PyObject *find(self, const char *key, size_t size, uint64_t hash) noexcept:
        """The value (borrowed) or NULL."""
        cdef Slot *slot
        cdef int way
        if self.slots == NULL:
            return NULL
        slot = &self.slots[(hash & (self.sets - 1)) * WAYS]
        for way in range(WAYS):
            if slot[way].hash == hash and slot[way].key != NULL and (
                <size_t>PyBytes_GET_SIZE(<object>slot[way].key) == size
            ) and memcmp(PyBytes_AS_STRING(<object>slot[way].key), key, size) == 0:
                return slot[way].value
        return NULL

    cdef object put(self, bytes key, uint64_t hash, object value):
        """Store a value; return the one that had to go, or None."""
        cdef Slot *slot
        cdef Slot *place = NULL
        cdef object gone = None
        cdef int way
        if self.slots == NULL:
            self.slots = <Slot *>PyMem_RawCalloc(self.sets * WAYS, sizeof(Slot))
            if self.slots == NULL:
                raise MemoryError
            self.values = [None] * (self.sets * WAYS)
        while True:
            slot = &self.slots[(hash & (self.sets - 1)) * WAYS]
            for way in range(WAYS):
                if slot[way].key == NULL:
                    if place == NULL:
                        place = &slot[way]
                elif slot[way].hash == hash and <bytes>slot[way].key == key:
                    place = &slot[way]
                    break
            if place != NULL or self.sets >= self.max_sets:
                break
            self.double()
        if place == NULL:
            place = &slot[self.victim % WAYS]
            self.victim += 1
        cdef Py_ssize_t at = place - self.slots
        cdef PyObject *old_key = place.key
        Py_INCREF(key)
        place.hash = hash
        place.key = <PyObject *>key
        place.value = <PyObject *>value
        gone = self.values[at]
        self.values[at] = value
        self.used += old_key == NULL
        Py_XDECREF(old_key)
        return gone

    cdef int double(self) except -1:
        """Twice the sets: every entry keeps its way, in its old set or the new one beside it."""
        cdef Slot *grown = <Slot *>PyMem_RawCalloc(2 * self.sets * WAYS, sizeof(Slot))
        cdef list values = [None] * (2 * self.sets * WAYS)
        cdef size_t i
        cdef size_t at
        cdef Slot *slot
        if grown == NULL:
            raise MemoryError
        for i in range(self.sets * WAYS):
            slot = &self.slots[i]
            if slot.key != NULL:
                at = (slot.hash & (2 * self.sets - 1)) * WAYS + i % WAYS
                grown[at] = slot[0]
                values[at] = self.values[i]
        self.values = values
        PyMem_RawFree(self.slots)
        self.slots = grown
        self.sets *= 2
        return 0
