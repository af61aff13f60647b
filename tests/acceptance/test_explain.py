"""The story of docs/explain.md: a report does not arrive, and who asks is told why, and what to type."""

import re
import shlex
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/explain.md").read_text()
STORY = PAGE[PAGE.index("## A report") : PAGE.index("## pub and sub")]
DATA = ".local/share/nats/nsc"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", STORY, re.DOTALL)


def type_all(home, block):
    """Type the commands of a block; the output of the last one, and its exit status."""
    done = None
    for line in block.splitlines():
        done = home.try_run(*shlex.split(line))
        if not line.startswith("nsc explain denied"):
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout, done.returncode


def told(out, block):
    """The lines of a block of the page are in the output, one after the other, whatever the time."""
    wanted = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", block)
    return wanted in re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", out)


def received(town, *subjects):
    """What user lead receives of reports that user writer publishes, on a server with the store's accounts."""
    home = town.home
    home.run("nsc", "generate", "config", "--mem-resolver", "--config-file", "server.conf", "--force")
    server = town.engine.start((home.work / "server.conf").read_text())
    creds = home.path / DATA / "keys/creds/Acme"
    subscriber = town.subscribe(server, creds / "Team/lead.creds")
    for subject in subjects:
        home.try_run("nats-pub", "-s", server.url, "-creds", str(creds / "Reports/writer.creds"), subject, "x")
    home.run("nats-pub", "-s", server.url, "-creds", str(creds / "Team/lead.creds"), "end", "x")
    subscriber.wait_for("[end]")
    subscriber.stop()
    server.stop()
    return re.findall(r"Received on \[(reports[^]]*)\]", subscriber.output)


def test_a_team_lead_finds_out_why_the_report_does_not_arrive(town):
    setup, ask, mend, ask_again, mend_again = blocks("sh")
    expired, denied, arrives = blocks("text")
    subjects = ("reports.weekly.1", "reports.daily.1")
    type_all(town.home, setup)
    assert received(town, *subjects) == []

    out, status = type_all(town.home, ask)
    assert (status, told(out, expired)) == (1, True), out
    assert mend.strip() in expired.replace("         nsc", "nsc")
    type_all(town.home, mend)
    assert type_all(town.home, ask)[1] == 0
    assert received(town, *subjects) == ["reports.weekly.1"]

    out, status = type_all(town.home, ask_again)
    assert (status, told(out, denied)) == (1, True), out
    out, _ = type_all(town.home, mend_again)
    assert told(out, arrives), out
    assert type_all(town.home, ask_again)[1] == 0
    assert received(town, *subjects) == list(subjects)


@pytest.mark.parametrize("engine", ["embedded"], indirect=True)
def test_the_python_of_the_page_runs(town, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.splitlines()[1].startswith("Billing eu.7 - stream import")
