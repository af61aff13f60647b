"""The life cycle of a connection: one table, one door.

::

    AWAITING   INFO is sent; only CONNECT is understood, anything else is an authorization violation
    ANONYMOUS  as AWAITING, but a first verb other than CONNECT logs the peer in without credentials
    OPEN       no authentication: verbs work before CONNECT
    DECIDING   credentials are being judged; input is held, not parsed
    READY      the peer is in its account; a second CONNECT judges again
    CLOSING    input is dropped, what is queued is still written
    CLOSED     nothing happens any more

    CONNECT    the verb CONNECT was parsed
    VERB       any other verb begins
    ADMIT      the credentials are good
    CLOSE      close after what is queued has been written
    CUT        close now, or: what was queued is written

A pair that is missing from the table is a violation by the peer (AWAITING and VERB) or does nothing.
"""

TRANSITIONS = {
    (AWAITING, CONNECT): DECIDING,
    (AWAITING, CLOSE): CLOSING,
    (AWAITING, CUT): CLOSED,
    (ANONYMOUS, CONNECT): DECIDING,
    (ANONYMOUS, VERB): DECIDING,
    (ANONYMOUS, CLOSE): CLOSING,
    (ANONYMOUS, CUT): CLOSED,
    (OPEN, CONNECT): DECIDING,
    (OPEN, VERB): OPEN,
    (OPEN, ADMIT): OPEN,
    (OPEN, CLOSE): CLOSING,
    (OPEN, CUT): CLOSED,
    (DECIDING, ADMIT): READY,
    (DECIDING, CLOSE): CLOSING,
    (DECIDING, CUT): CLOSED,
    (READY, CONNECT): DECIDING,
    (READY, VERB): READY,
    (READY, ADMIT): READY,
    (READY, CLOSE): CLOSING,
    (READY, CUT): CLOSED,
    (CLOSING, CUT): CLOSED,
}

STATE_NAMES = ("AWAITING", "ANONYMOUS", "OPEN", "DECIDING", "READY", "CLOSING", "CLOSED")
EVENT_NAMES = ("CONNECT", "VERB", "ADMIT", "CLOSE", "CUT")

cdef signed char TABLE[7][5]


cdef void fill() except *:
    for state in range(7):
        for event in range(5):
            TABLE[state][event] = TRANSITIONS.get((state, event), -1)


fill()


cdef int follow(int state, int event) noexcept nogil:
    """The state after an event, or -1 if the table has no such pair."""
    return TABLE[state][event]
