"""Run the checks of each subject, each with a limit of time, and collect the findings."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rushes.errors import RushesError
from rushes_queue.doctor import broker, codecs, config, disk, farm, machine, storage, weights
from rushes_queue.doctor.child import Child
from rushes_queue.doctor.finding import Check, Finding, check_name, fault, late

if TYPE_CHECKING:
    from rushes_queue.settings.loaded import LoadedSettings

SUBJECTS: Mapping[str, tuple[Check, ...]] = {
    "machine": machine.CHECKS,
    "codecs": codecs.CHECKS,
    "weights": weights.CHECKS,
    "disk": disk.CHECKS,
    "config": config.CHECKS,
    "broker": broker.CHECKS,
    "storage": storage.CHECKS,
    "farm": farm.CHECKS,
}
IN_CHILD = frozenset({"machine", "codecs", "weights"})  # a driver may crash the process
SECONDS = 120.0  # for each check; importing torch from a cold disk takes a while


@dataclass(frozen=True)
class Examined:
    """All findings about one subject."""

    subject: str
    findings: tuple[Finding, ...]


def examine(
    loaded: LoadedSettings,
    subjects: Mapping[str, tuple[Check, ...]] = SUBJECTS,
    *,
    in_child: frozenset[str] = IN_CHILD,
    seconds: float = SECONDS,
) -> Iterator[Examined]:
    """Yield the findings, subject by subject, in order.

    A check that raises, takes longer than ``seconds`` or ends the child process is a fault, and
    the others still run. ``in_child`` names the subjects that run in the child.
    """
    with Child(run_check) as child:
        for subject, checks in subjects.items():
            call = child.call if subject in in_child else _call_with_limit
            findings = [finding for check in checks for finding in call(check, loaded, seconds)]
            yield Examined(subject, tuple(findings))


def run_check(check: Check, loaded: LoadedSettings) -> list[Finding]:
    """Return what a check finds; if it raises, that is a finding too."""
    findings: list[Finding] = []
    try:
        findings.extend(check(loaded))
    except RushesError as error:
        findings.append(fault(check_name(check), str(error), ""))
    except Exception as error:  # whatever it is, the other checks run
        message = f"{type(error).__name__}: {error}"
        cure = "this check itself failed; please report it"
        findings.append(fault(check_name(check), message, cure))
    return findings


def _call_with_limit(check: Check, loaded: LoadedSettings, seconds: float) -> list[Finding]:
    """Run a check in a thread: one that hangs, as on a dead network folder, is left behind."""
    found: list[list[Finding]] = []
    thread = threading.Thread(target=lambda: found.append(run_check(check, loaded)), daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else [late(check, seconds)]
