"""Signals: postponed to the end of what must not be cut, delivered then, and told as an exit code."""

import os
import signal
import threading

import pytest

from builder.interruption import Postponed, Terminated, terminable


def send(number):
    os.kill(os.getpid(), number)


def test_ctrl_c_waits_for_the_end_of_the_work():
    done = False
    with pytest.raises(KeyboardInterrupt), Postponed() as stop:
        assert not stop.asked
        send(signal.SIGINT)
        assert stop.asked
        done = True
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait():
    done = False
    with pytest.raises(KeyboardInterrupt), Postponed():
        send(signal.SIGINT)
        send(signal.SIGINT)
        done = True
    assert not done


def test_sigterm_is_exit_code_143_at_once_or_postponed():
    with pytest.raises(Terminated) as stop, terminable():
        send(signal.SIGTERM)
        raise AssertionError("went on")
    assert stop.value.code == 143
    with pytest.raises(Terminated), terminable(), Postponed() as postponed:
        send(signal.SIGTERM)
        assert postponed.asked
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_the_process_ignores_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Postponed() as stop:
            send(signal.SIGINT)
            assert not stop.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_changes_no_handler():
    found = []

    def work():
        with terminable(), Postponed() as stop:
            found.append((stop.asked, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, signal.default_int_handler)]
