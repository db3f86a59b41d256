"""What all tests share."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterator

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

# Whoever starts the tests may ignore interrupts, as a shell in the background does, or have blocked
# signals; all children would do likewise, and no time limit of a test would be heard.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_SETMASK, ())

PATIENCE_OF_A_TEARDOWN = 400.0  # seconds, after a test that failed


class FailuresAtOnce:
    """Shows each failure when it happens: a run that is cut off has no summary."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\n{report.nodeid} failed in its {report.when}:", red=True)
            self._terminal.write_line(report.longreprtext)


@pytest.hookimpl(trylast=True)  # the terminal reporter comes first
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    is_one_of_several = hasattr(config, "workerinput")  # then who started it tells
    if terminal is not None and not is_one_of_several:
        config.pluginmanager.register(FailuresAtOnce(terminal))


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """End a test whose teardown hangs: pytest has just stopped the clock, for debuggers."""
    file = node.config.stash[fault_handler_stderr_fd_key]
    faulthandler.dump_traceback_later(PATIENCE_OF_A_TEARDOWN, file=file, exit=True)


@pytest.fixture(autouse=True)
def _usual_priority() -> Iterator[None]:
    """Find who makes the tests real-time: all else on the machine would wait for them."""
    yield
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        pytest.fail("the test has changed the scheduling of its process")


@pytest.fixture(scope="session", autouse=True)
def _without_local_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the farm that may run on this machine, whose broker would be found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
