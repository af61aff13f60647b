"""Text of the peer inside our messages, quoted like Go's ``%q``, which is what servers put into ``-ERR``."""

cdef dict ESCAPES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
}


cdef str escape(str letter):
    cdef int code = ord(letter)
    known = ESCAPES.get(letter)
    if known is not None:
        return known
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if letter.isprintable():
        return letter
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


cdef bytes quoted(bytes text):
    """The text in double quotes."""
    if text.isalnum():
        return b'"%b"' % text
    return ('"' + "".join([escape(letter) for letter in text.decode("utf-8", "surrogateescape")]) + '"').encode()


def quote(bytes text not None):
    return quoted(text)
