"""Two ends for tests: sessions that remember, connections without descriptors, streams cut into frames."""

from __future__ import annotations

from natskit.wire import Connection, Outbox, Space


class Recorder:
    """A session that allows what its callables allow and remembers what it was told."""

    def __init__(self, **answers):
        self.answers = answers
        self.told = []

    def __getattr__(self, name):
        if not name.startswith(("on_", "may_")):
            raise AttributeError(name)

        def called(*args):
            self.told.append((name, *args))
            answer = self.answers.get(name, True)
            return answer(*args) if callable(answer) else answer

        return called

    def was_told(self, name):
        return [args for called, *args in self.told if called == name]


class End:
    """A connection in a space, with what it received so far."""

    def __init__(self, space=None, outbox=None, session=None, quiet=True, **limits):
        self.session = session or Recorder()
        self.engine = Connection(outbox or Outbox(), self.session, **limits)
        if space is not None:
            self.engine.welcome(space)
        if quiet:
            self.engine.verbose = self.engine.pedantic = False
            self.engine.headers = True

    def feed(self, data):
        self.engine.feed(data)
        return self

    def take(self):
        return self.engine.take()

    @property
    def reason(self):
        closed = self.session.was_told("on_close")
        return closed[0][0] if closed else ""


def ends(count, space=None, **options):
    """Some connections in one space, sharing an outbox."""
    space = space or Space()
    outbox = Outbox()
    return [End(space, outbox, **options) for _ in range(count)]
