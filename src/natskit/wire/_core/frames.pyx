"""WebSocket frames as a server reads them (RFC 6455 section 5, RFC 7692): payloads are unmasked and moved together in place.

What several frames of one read carry becomes one piece, since frames mean nothing to the protocol inside.
"""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memmove

DATA, DEFLATED, PING, CLOSE, FAULT = range(5)

cdef enum:
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    OP_CLOSE = 8
    OP_PING = 9
    OP_PONG = 10
    HEAD = 14           # the longest header
    SHORT = 125         # the longest payload of a control frame


cdef class FrameDecoder:
    cdef bint masked            # whether the peer has to mask its frames
    cdef bint deflate           # whether messages may be compressed
    cdef bint ended             # by a close frame or a fault: nothing is read any more
    cdef bint in_message        # a message was begun and its last frame has not come
    cdef bint deflated          # that message is compressed
    cdef bint last              # the frame that is being read ends its message
    cdef bint in_payload
    cdef int opcode
    cdef size_t have            # bytes of the header
    cdef size_t wanted          # how long the header is, as far as that is known
    cdef uint64_t left          # bytes of the payload that have not come
    cdef int phase              # where in the key the next byte of the payload is
    cdef size_t kept            # bytes in control
    cdef unsigned char head[HEAD]
    cdef unsigned char key[4]
    cdef unsigned char control[SHORT]
    cdef bytearray message      # compressed so far
    cdef public size_t max_deflated

    def __init__(self, *, bint masked=True, bint deflate=False, size_t max_deflated=64 << 20):
        self.masked = masked
        self.deflate = deflate
        self.max_deflated = max_deflated
        self.wanted = 2
        self.message = bytearray()

    @property
    def held_bytes(self):
        return self.have + self.kept + len(self.message)

    def feed(self, data not None):
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_WRITABLE)
        try:
            return self.read(memoryview(data), <unsigned char *>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cdef list read(self, object whole, unsigned char *data, size_t size):
        """Everything that came. ``run`` bytes from ``start`` on are payload that waits to be told of."""
        cdef list events = []
        cdef size_t at = 0
        cdef size_t start = 0
        cdef size_t run = 0
        cdef size_t count
        cdef object event
        while not self.ended and (at < size or (self.in_payload and self.left == 0)):
            if not self.in_payload:
                at += self.read_head(data + at, size - at)
                if self.have < self.wanted:
                    continue
                event = self.begin()
            else:
                count = <size_t>min(self.left, <uint64_t>(size - at))
                self.unmask(data + at, count)
                if self.is_plain():
                    if run == 0:
                        start = at
                    elif start + run != at:
                        memmove(data + start + run, data + at, count)
                    run += count
                else:
                    self.keep(data + at, count)
                at += count
                self.left -= count
                event = self.finish() if self.left == 0 else None
            if event is not None:
                if run:
                    events.append((DATA, whole[start:start + run]))
                    run = 0
                events.append(event)
        if run:
            events.append((DATA, whole[start:start + run]))
        return events

    cdef size_t read_head(self, const unsigned char *data, size_t size) noexcept:
        """Take bytes of a header; the second one says how long it is."""
        cdef size_t taken = 0
        cdef int length
        while self.have < self.wanted and taken < size:
            self.head[self.have] = data[taken]
            self.have += 1
            taken += 1
            if self.have == 2:
                length = self.head[1] & 0x7F
                self.wanted = 2 + (2 if length == 126 else 8 if length == 127 else 0) + (4 if self.head[1] & 0x80 else 0)
        return taken

    cdef object begin(self):
        """A header is there. Returns the fault with it, if there is one."""
        cdef int opcode = self.head[0] & 0x0F
        cdef bint compressed = (self.head[0] & 0x40) != 0
        cdef size_t at = 2
        cdef uint64_t length = self.head[1] & 0x7F
        cdef int extra = 2 if length == 126 else 8 if length == 127 else 0
        self.last = (self.head[0] & 0x80) != 0
        if extra:
            length = 0
        while extra:
            length = (length << 8) | self.head[at]
            at += 1
            extra -= 1
        if ((self.head[1] & 0x80) != 0) != self.masked:
            return self.fault("mask bit missing" if self.masked else "mask bit set after Nats-No-Masking")
        if self.head[0] & 0x30:
            return self.fault("reserved bits are set")
        if length >> 63:
            return self.fault("invalid 64-bit payload length")
        if opcode >= OP_CLOSE and opcode <= OP_PONG:
            if not self.last:
                return self.fault("control frame is fragmented")
            if length > SHORT:
                return self.fault("control frame is longer than 125 bytes")
            if compressed:
                return self.fault("control frame is compressed")
        elif opcode == CONTINUATION:
            if not self.in_message:
                return self.fault("continuation of no message")
            if compressed:
                return self.fault("continuation says that it is compressed")
        elif opcode == TEXT or opcode == BINARY:
            if self.in_message:
                return self.fault("new message before the end of the last one")
            if compressed and not self.deflate:
                return self.fault("compression was not agreed")
            self.in_message = True
            self.deflated = compressed
        else:
            return self.fault(f"unknown opcode {opcode}")
        if opcode <= BINARY and self.deflated and (
            length > self.max_deflated or len(self.message) + length > self.max_deflated
        ):
            return self.fault("maximum payload exceeded")
        if self.masked:
            memcpy(self.key, self.head + at, 4)
        self.opcode = opcode
        self.left = length
        self.phase = 0
        self.in_payload = True
        self.have = 0
        self.wanted = 2
        return None

    cdef object fault(self, str text):
        self.ended = True
        return FAULT, text.encode()

    cdef inline bint is_plain(self) noexcept:
        """Whether the payload of the frame is what the protocol inside says."""
        return self.opcode <= BINARY and not self.deflated

    cdef int keep(self, const unsigned char *data, size_t count) except -1:
        """Part of a compressed message or of a control frame."""
        if self.opcode <= BINARY:
            self.message += data[:count]
        else:
            memcpy(self.control + self.kept, data, count)
            self.kept += count
        return 0

    cdef object finish(self):
        """A frame is complete. Returns what is to be told of it."""
        cdef bytes payload
        self.in_payload = False
        if self.opcode <= BINARY:
            if not self.last:
                return None
            self.in_message = False
            if not self.deflated:
                return None
            payload = bytes(self.message)
            self.message = bytearray()
            return DEFLATED, payload
        payload = self.control[:self.kept]
        self.kept = 0
        if self.opcode == OP_PONG:
            return None
        self.ended = self.opcode == OP_CLOSE
        return (PING if self.opcode == OP_PING else CLOSE), payload

    cdef void unmask(self, unsigned char *data, size_t count) noexcept:
        cdef unsigned char keys[8]
        cdef uint64_t key
        cdef uint64_t word
        cdef size_t at = 0
        cdef int i
        if not self.masked:
            return
        for i in range(8):
            keys[i] = self.key[(self.phase + i) & 3]
        memcpy(&key, keys, 8)
        while count - at >= 8:
            memcpy(&word, data + at, 8)
            word ^= key
            memcpy(data + at, &word, 8)
            at += 8
        for i in range(<int>(count - at)):
            data[at + i] ^= keys[i]
        self.phase = (self.phase + <int>(count & 3)) & 3
