"""Makes all checks at once and reports what they find in one order, each as soon as it and all before it are known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from selam_cli.doctor.case import Case
from selam_cli.doctor.finding import Finding, failed
from selam_cli.doctor.report import Report
from selam_cli.errors import SelamError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Topic:
    """Checks that belong together; `within_s` bounds all of them, over the bounds that each has of its own."""

    id: str
    heading: str
    check: Callable[[Case], AsyncGenerator[Finding, None]]
    within_s: float


async def examine(topics: Sequence[Topic], case: Case, report: Report) -> None:
    """Examine the case; what is found goes into the report."""
    found: list[asyncio.Queue[Finding | None]] = [asyncio.Queue() for _ in topics]
    checks = [asyncio.create_task(_checked(topic, case, queue)) for topic, queue in zip(topics, found, strict=True)]
    try:
        for topic, queue in zip(topics, found, strict=True):
            report.heading(topic.heading)
            while (finding := await queue.get()) is not None:
                report.tell(finding)
    finally:
        for check in checks:
            check.cancel()
        await asyncio.wait(checks)


async def _checked(topic: Topic, case: Case, found: asyncio.Queue[Finding | None]) -> None:
    try:
        async with asyncio.timeout(topic.within_s), aclosing(topic.check(case)) as findings:
            async for finding in findings:
                found.put_nowait(finding)
    except TimeoutError:
        given_up = f"These checks did not end within {topic.within_s:.0f} s, and were given up."
        found.put_nowait(failed(f"{topic.id}.check", SelamError(given_up, "Run selam-voice doctor again.")))
    except SelamError as error:
        found.put_nowait(failed(f"{topic.id}.check", error))
    except Exception as error:  # a failure of one check must not keep the others from being reported
        log.exception("a check failed")
        told = f"This check failed by itself ({type(error).__name__})."
        remedy = "Report it, with the log file; SELAM_DEBUG=1 writes more there."
        found.put_nowait(failed(f"{topic.id}.check", SelamError(told, remedy)))
    finally:
        found.put_nowait(None)
