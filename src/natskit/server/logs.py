"""Log lines as nats-server writes them, and where they go.

``[pid] 2026/11/23 03:15:40.504412 [INF] text``: to stderr, a file (rotated by size), or syslog. The rooms of the server
log through ``logging.getLogger(__name__)``; only a program calls :func:`open_log`.

Source: spec/server-config.md section 8.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TextIO

from natskit.errors import ServerError
from natskit.server.options import Logging

__all__ = ["TRACE", "Lines", "close_log", "open_log"]

TRACE = 5
FILE_MODE = 0o640

_LABELS = {TRACE: "TRC", logging.DEBUG: "DBG", logging.INFO: "INF", logging.WARNING: "WRN"}
_LABELS |= {logging.ERROR: "ERR", logging.CRITICAL: "FTL"}
_COLOURS = {"INF": 32, "WRN": 33, "ERR": 31, "FTL": 31, "DBG": 36, "TRC": 33}


_root = logging.getLogger("natskit")
_talks = [logging.getLogger(f"natskit.{each}.talk") for each in ("server", "account_server")]


class Lines(logging.Formatter):
    """One record, one line; what a message holds of control characters is shown, not written."""

    def __init__(self, *, with_time: bool = True, utc: bool = False, colours: bool = False) -> None:
        super().__init__()
        self.with_time = with_time
        self.clock = time.gmtime if utc else time.localtime
        self.colours = colours

    def format(self, record: logging.LogRecord) -> str:
        label = _LABELS.get(record.levelno, "INF")
        shown = f"\x1b[{_COLOURS[label]}m{label}\x1b[0m" if self.colours else label
        return f"[{os.getpid()}] {self._stamp(record.created)}[{shown}] {text_of(self, record)}"

    def _stamp(self, created: float) -> str:
        if not self.with_time:
            return ""
        return f"{time.strftime('%Y/%m/%d %H:%M:%S', self.clock(created))}.{int(created % 1 * 1e6):06d} "


def text_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """What a record says, in one line; behind it the traceback, if there is one."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in record.getMessage())
    return f"{text}\n{formatter.formatException(record.exc_info)}" if record.exc_info else text


class RotatingFile(logging.FileHandler):
    """A log file that is set aside, with the time in its name, once it has outgrown its limit."""

    def __init__(self, path: str, limit: int, most: int) -> None:
        self.limit = limit
        self.most = most
        super().__init__(path, encoding="utf-8", errors="backslashreplace")

    def _open(self) -> TextIO:  # type: ignore[override]
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
        return open(descriptor, "a", encoding="utf-8", errors="backslashreplace")

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
            if self.limit and self.stream is not None and self.stream.tell() > self.limit:
                self._rotate()
        except OSError:  # who logs has not to deal with a folder that is gone, or a disk that is full
            self.handleError(record)

    def reopen(self) -> None:
        """Go on in a new file after somebody moved this one away."""
        self.acquire()
        try:
            self.close()
            self.stream = self._open()  # type: ignore[assignment]
        finally:
            self.release()

    def _rotate(self) -> None:
        now = time.time_ns()
        stamp = time.strftime("%Y.%m.%d.%H.%M.%S", time.localtime(now // 10**9))
        backup = f"{self.baseFilename}.{stamp}.{now % 10**9:09d}"
        self.close()
        os.rename(self.baseFilename, backup)
        self.stream = self._open()  # type: ignore[assignment]
        self._purge()
        _root.info('Rotated log, backup saved as "%s"', backup)

    def _purge(self) -> None:
        """Keep as many files as wanted, the live one included."""
        if not self.most:
            return
        folder, name = os.path.split(self.baseFilename)
        backups = sorted(each for each in os.listdir(folder) if each.startswith(name + "."))
        for each in backups[: max(0, len(backups) + 1 - self.most)]:
            os.unlink(os.path.join(folder, each))
            _root.info('Purged log file "%s"', each)


def open_log(options: Logging) -> None:
    """Send the server's log where the options say. Raises ServerError if that cannot be opened."""
    handler = _handler(options)  # if it cannot be had, the log before goes on
    close_log()
    logging.addLevelName(TRACE, "TRACE")
    colours = isinstance(handler, logging.StreamHandler) and not options.file and _is_terminal(handler.stream)
    if handler.formatter is None:
        handler.setFormatter(Lines(with_time=options.time, utc=options.utc, colours=colours))
    _root.addHandler(handler)
    _root.setLevel(logging.DEBUG if options.debug else logging.INFO)
    for talk in _talks:
        talk.setLevel(TRACE if options.trace else logging.NOTSET)  # who wants the protocol may not want the rest
    _root.propagate = False


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")


def close_log() -> None:
    """Close what :func:`open_log` opened."""
    for handler in tuple(_root.handlers):
        _root.removeHandler(handler)
        handler.close()


def reopen_log() -> bool:
    """Open the log file anew, as log rotation programs ask for; False if the log is no file."""
    files = [handler for handler in _root.handlers if isinstance(handler, RotatingFile)]
    for handler in files:
        handler.reopen()
    return bool(files)


def _handler(options: Logging) -> logging.Handler:
    try:
        if options.file:
            return RotatingFile(options.file, options.file_size_limit, options.file_max_num)
        if options.remote_syslog:
            from natskit.server.syslog import Aside, remote_syslog

            return Aside(remote_syslog(options.remote_syslog))
        if options.syslog:
            from natskit.server.syslog import Aside, local_syslog

            return Aside(local_syslog())
    except OSError as error:
        if options.file:
            raise ServerError(f"cannot open the log {options.file}: {error.strerror}") from None
        raise ServerError(f"error connecting to syslog: {error.strerror or error}") from None
    return logging.StreamHandler(sys.stderr)
