"""Being told to stop, by Ctrl-C, SIGTERM or SIGUSR1: in order, and with what was done kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Schedulers warn with either of the last two: whoever handles them decides what they mean.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = (signal.SIGTERM, signal.SIGUSR1)


class Terminated(SystemExit):
    """SIGTERM or SIGUSR1 came: exit code 143 or 138, as a shell reports it."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 end the work inside as Ctrl-C does, so that it is recorded.

    A scheduler such as Slurm sends one of them some time before the kill.
    """
    if not _handlers_are_ours():
        yield
        return
    before = {number: signal.signal(number, _terminate) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Postponed:
    """A context in which signals to stop wait: `asked` says that one came, and the end delivers it.

    A second Ctrl-C does not wait. A signal that the process ignores stays ignored; in another thread than the
    main one nothing is changed.
    """

    def __enter__(self) -> Postponed:
        """Take over the signals that would end the process."""
        self._came: signal.Signals | None = None
        taken = [s for s in _SIGNALS if signal.getsignal(s) is not signal.SIG_IGN]
        self._before = {s: signal.signal(s, self._note) for s in taken} if _handlers_are_ours() else {}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back, and deliver the one that came."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._came is not None:
            signal.raise_signal(self._came)

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self._came is not None

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._came is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._came = signal.Signals(number)


def _terminate(number: int, _: FrameType | None) -> None:
    raise Terminated(128 + number)


def _handlers_are_ours() -> bool:
    """Python lets only the main thread set a signal's handler."""
    return threading.current_thread() is threading.main_thread()
