"""Reports: lines for people, the same as JSON, the sum of several jobs."""

from __future__ import annotations

from natskit.cli.report import Report


def test_lines_speak_by_kind_and_are_indented_by_depth():
    report = Report()
    report.note('Generated user key - private key stored "~/x"')
    job = report.success('added user "u"')
    job.warn("it expires soon")
    report.fail("no").server("first\n\n second ")
    assert [line for _, line in report.lines()] == [
        'Generated user key - private key stored "~/x"',
        'Success! - added user "u"',
        "  Warning: it expires soon",
        "Error: no",
        "  > first",
        "  > second",
    ]


def test_level_is_that_of_the_worst_below():
    report = Report()
    assert report.level == "none"
    report.success("a").warn("b")
    assert report.level == "warning"
    assert not report.failed
    report.children[0].children[0].fail("c")
    assert report.failed


def test_summary_counts_jobs():
    report = Report()
    report.fail("a")
    assert report.summary() == ""
    report.success("b")
    report.warn("c")
    report.success("d")
    assert report.summary() == "1 job failed - 2 jobs succeeded and 1 had warnings"


def test_documents_nest():
    report = Report()
    report.success("a").warn("b")
    assert report.documents() == [{"status": "success", "text": "a", "details": [{"status": "warning", "text": "b"}]}]
