"""Checks run at once and are told in their order; none of them can hold up or bring down the others."""

from __future__ import annotations

import asyncio
import time

import pytest

from selam_cli.config.agent_settings import AgentSettings
from selam_cli.config.settings import Settings
from selam_cli.doctor.case import Case
from selam_cli.doctor.examination import Topic, examine
from selam_cli.doctor.finding import ok
from selam_cli.doctor.in_time import WatchedExecutor, in_thread
from selam_cli.doctor.known_key import KnownKey
from selam_cli.doctor.report import Report
from selam_cli.errors import DeviceError


class Kept:
    """A face that keeps what it is shown."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def opening(self, versions) -> None:
        self.told.append("opening")

    def heading(self, title) -> None:
        self.told.append(title)

    def show(self, finding) -> None:
        self.told.append(finding.id)

    def ask(self, sentence, seconds) -> None:
        self.told.append(sentence)

    def closing(self, counts, exit_status) -> None:
        self.told.append("closing")


CASE = Case(Settings(), AgentSettings(), KnownKey(), {})


async def examined(*topics: Topic) -> tuple[Kept, Report]:
    face = Kept()
    report = Report(face)
    await examine(topics, CASE, report)
    return face, report


async def test_topics_run_at_once_and_are_told_in_their_order():
    later_is_done = asyncio.Event()

    async def first(_case):
        await later_is_done.wait()
        yield ok("first.1", "")

    async def later(_case):
        yield ok("later.1", "")
        yield ok("later.2", "")
        later_is_done.set()

    face, _ = await examined(Topic("first", "First", first, 30.0), Topic("later", "Later", later, 30.0))
    assert face.told == ["First", "first.1", "Later", "later.1", "later.2"]


async def test_a_finding_is_told_while_its_topic_still_looks():
    told = asyncio.Event()

    async def slow(_case):
        yield ok("slow.1", "")
        await told.wait()
        yield ok("slow.2", "")

    class Telling(Kept):
        def show(self, finding) -> None:
            super().show(finding)
            told.set()

    face = Telling()
    await examine((Topic("slow", "Slow", slow, 30.0),), CASE, Report(face))
    assert face.told == ["Slow", "slow.1", "slow.2"]


async def test_a_check_that_hangs_breaks_or_is_refused_is_a_line_and_the_next_is_told():
    async def hangs(_case):
        yield ok("hangs.1", "")
        await asyncio.Event().wait()

    async def breaks(_case):
        yield ok("breaks.1", "")
        raise ZeroDivisionError

    async def refused(_case):
        raise DeviceError("Gone.", "Connect it.")
        yield

    face, report = await examined(
        Topic("hangs", "A", hangs, 0.05), Topic("breaks", "B", breaks, 30.0), Topic("refused", "C", refused, 30.0)
    )
    assert face.told == ["A", "hangs.1", "hangs.check", "B", "breaks.1", "breaks.check", "C", "refused.check"]
    assert [finding.text for finding in report.findings if finding.id == "refused.check"] == ["Gone."]
    assert all(finding.remedy for finding in report.findings if finding.id.endswith(".check"))


async def test_the_first_that_failed_gives_the_exit_status():
    async def without_devices(_case):
        raise DeviceError("Gone.", "Connect it.")
        yield

    async def broken(_case):
        raise ZeroDivisionError
        yield

    _, report = await examined(Topic("a", "A", without_devices, 30.0), Topic("b", "B", broken, 30.0))
    assert report.exit_status == 5


async def test_keys_are_hidden_and_escapes_made_visible_in_whatever_is_told():
    face = Kept()
    report = Report(face)
    report.keep_secret("plain-secret", None, "")
    report.tell(ok("a", "the plain-secret of sk-selam-test-9", "\x1b[2Jgone\napi_key=abc"))
    assert report.findings[0].text == "the [hidden] of [hidden]"
    assert report.findings[0].remedy == r"\x1b[2Jgone api_key=[hidden]"


async def test_what_never_comes_back_is_given_up_and_what_fails_is_raised():
    with pytest.raises(TimeoutError):
        await in_thread(lambda: time.sleep(5), 0.05)
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0, 30.0)
    assert await in_thread(lambda: 7, 30.0) == 7


async def test_threads_that_have_not_come_back_are_known():
    import threading  # beside its use

    go_on = threading.Event()
    with WatchedExecutor() as executor:
        waiting = executor.submit(go_on.wait, 30)
        assert executor.is_stuck
        go_on.set()
        await asyncio.wrap_future(waiting)
        assert not executor.is_stuck
