"""A team is moved in one go: thousands of commands, a machine that dies in between, colleagues who go on working."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from natskit import jwt
from natskit.jwt import files
from natskit.nkeys import KeyPair

DATA = ".local/share/nats/nsc"
KILLS = 2


@pytest.fixture
def account(home):
    """A home with an operator and an account."""
    home.run("nsc", "add", "operator", "O", "--sys")
    home.run("nsc", "add", "account", "A")
    return home


def write(home, lines, name="commands"):
    (home.work / name).write_text("\n".join(lines) + "\n")
    return name


def check_store(home, operator="O"):
    """Every file is whole, and tokens, keys and creds of users belong together; the users of each account."""
    root = home.path / DATA
    found = {}
    for path in (root / f"stores/{operator}").rglob("*.jwt"):
        claims = jwt.decode(path.read_text())
        seed = root / f"keys/keys/{claims.subject[0]}/{claims.subject[1:3]}/{claims.subject}.nk"
        assert KeyPair.from_seed(seed.read_text()).public == claims.subject
        if claims.kind == "user":
            account = path.parent.parent.name
            token, _ = files.parse_creds((root / f"keys/creds/{operator}/{account}/{path.stem}.creds").read_text())
            assert token == path.read_text()
            found.setdefault(account, set()).add(path.stem)
    keys = {path.stem for path in (root / "keys/keys/U").rglob("*.nk")}
    assert len(keys) == sum(map(len, found.values()))
    assert not [path for path in root.rglob(".natskit*") if path.is_file()]
    return found


def test_a_batch_that_is_killed_again_and_again_goes_on_where_it_stopped(account):
    lines = []
    for number in range(3000):
        lines.append(f"nsc add user u{number} --allow-pub 'orders.{number}.>' --tag batch")
        if number % 100 == 99:
            lines.append(f"nsc edit account A --tag t{number}")
    name = write(account, lines)
    resume = []
    record = account.work / f"{name}.done"
    for _ in range(KILLS):
        before = record.read_bytes() if record.exists() else b""
        process = account.spawn("nsc", "batch", name, "--quiet", *resume)
        # Let it come a commit further, and a little, so that it dies somewhere in the next one.
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            if record.exists() and record.read_bytes() != before:
                break
            time.sleep(0.001)
        process.kill()
        process.communicate(timeout=30)
        resume = ["--resume"]
        reached = json.loads(record.read_text())["reached"]
        account.run("nsc", "list", "users", "-a", "A", "--json")  # whoever comes next settles what was left
        reached = json.loads(record.read_text())["reached"]
        users = check_store(account)["A"]
        assert users == {f"u{number}" for number in range(reached - reached // 101)}
    account.run("nsc", "batch", name, "--quiet", "--resume")
    assert check_store(account)["A"] == {f"u{number}" for number in range(3000)}
    tags = json.loads(account.run("nsc", "describe", "account", "A", "--json"))["nats"]["tags"]
    assert tags == sorted(f"t{number}" for number in range(99, 3000, 100))
    assert "nothing is left to do" in account.run("nsc", "batch", name, "--resume")


def test_others_work_while_a_batch_runs(account):
    name = write(account, [f"add user b{number}" for number in range(2500)])
    batch = account.spawn("nsc", "batch", name, "--quiet")
    done_meanwhile = 0
    for number in range(5):
        done = account.try_run("nsc", "add", "user", f"alone{number}", "-a", "A")
        assert done.returncode == 0, done.stderr
        done_meanwhile += batch.poll() is None
    output, _ = batch.communicate(timeout=120)
    assert batch.returncode == 0, output
    assert done_meanwhile, "the batch was over before anybody else had a turn"
    users = check_store(account)["A"]
    assert users == {f"b{number}" for number in range(2500)} | {f"alone{number}" for number in range(5)}


def test_ctrl_c_lets_the_command_under_way_come_to_its_end(account):
    name = write(account, [f"add user u{number}" for number in range(3000)])
    process = account.spawn("nsc", "batch", name, "--quiet")
    record = account.work / f"{name}.done"
    while process.poll() is None and not record.exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "left" in output
    assert "--resume" in output
    reached = json.loads(record.read_text())["reached"]
    assert 0 < reached < 3000
    assert len(check_store(account)["A"]) == reached
    account.run("nsc", "batch", name, "--resume", "--quiet")
    assert len(check_store(account)["A"]) == 3000


def test_a_terminal_shows_how_far_it_is(account):
    import pexpect

    name = write(account, [f"add user u{number}" for number in range(50)])
    nsc = str(Path(account.env["PATH"].split(":")[0]) / "nsc")
    child = pexpect.spawn(nsc, ["batch", name, "--quiet"], env=account.env, cwd=account.work, timeout=30)
    child.expect(r"\[#+\]  50/50")
    child.expect("50 of 50 commands are carried out")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.fixture
def team(account):
    """A table of users of two accounts, one with a role."""
    account.run("nsc", "add", "account", "B")
    account.run("nsc", "edit", "signing-key", "-a", "A", "--sk", "generate", "--role", "service", "--allow-pub", "q.>")
    rows = ["name,account,role,allow-pub,allow-sub,tags,expiry,bearer,subs"]
    rows += [f'app{number},B,,"orders.>,bills.>",_INBOX.>,team:blue,30d,false,10' for number in range(100)]
    rows += [f"svc{number},A,service,,,,,," for number in range(100)]
    (account.work / "users.csv").write_text("\n".join(rows) + "\n")
    return account


def test_a_table_of_users_becomes_users_with_creds_that_log_in(team, engine):
    team.run("nsc", "add", "users", "--from", "users.csv", "--creds-dir", "out")
    assert {path.name for path in (team.work / "out/B").iterdir()} == {f"app{number}.creds" for number in range(100)}
    assert (team.work / "out/A/svc7.creds").stat().st_mode & 0o777 == 0o600
    claims = json.loads(team.run("nsc", "describe", "user", "-a", "B", "app7", "--json"))
    assert claims["nats"]["pub"] == {"allow": ["bills.>", "orders.>"]}
    assert claims["nats"]["subs"] == 10
    assert claims["nats"]["tags"] == ["team:blue"]
    assert claims["exp"] > time.time()
    team.run("nsc", "generate", "config", "--mem-resolver", "--config-file", "server.conf")
    server = engine.start((team.work / "server.conf").read_text())
    for creds, subject, allowed in (
        ("out/B/app99.creds", "orders.1", True),
        ("out/B/app99.creds", "other", False),
        ("out/A/svc99.creds", "q.1", True),
        ("out/A/svc99.creds", "orders.1", False),
    ):
        done = team.try_run("nats-pub", "-s", server.url, "-creds", creds, subject, "hello")
        assert (done.returncode == 0) is allowed, f"{creds} {subject}: {done.stdout}{done.stderr}"


def test_a_table_with_a_mistake_changes_nothing(team):
    before = {path: path.read_bytes() for path in team.path.rglob("*") if path.is_file()}
    table = team.work / "users.csv"
    table.write_text(table.read_text() + 'app7,B,,,,,,,\nnew,C,,,,,,,\nlast,B,nobody,,,,,,\n"a/b",B,,,,,,,\n')
    done = team.try_run("nsc", "add", "users", "--from", "users.csv", "--creds-dir", "out")
    assert done.returncode == 1
    assert 'users.csv:202: the user "app7" is in line 9 already' in done.stderr
    assert 'users.csv:203: "C" not in accounts' in done.stderr
    assert "users.csv:204: " in done.stderr
    assert "users.csv:205: name cannot contain" in done.stderr
    assert not (team.work / "out").exists()
    assert {path: path.read_bytes() for path in team.path.rglob("*") if path.is_file()} == before


def test_tables_at_once_do_not_disturb_each_other(account):
    for part in range(4):
        (account.work / f"{part}.csv").write_text("name\n" + "".join(f"u{part}-{number}\n" for number in range(200)))
        (account.work / f"a{part}.csv").write_text("name\n" + "".join(f"T{part}-{number}\n" for number in range(50)))
    running = [account.spawn("nsc", "add", "users", "-a", "A", "--from", f"{part}.csv") for part in range(4)]
    running += [account.spawn("nsc", "add", "accounts", "--from", f"a{part}.csv") for part in range(4)]
    for process in running:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert len(check_store(account)["A"]) == 800
    listed = json.loads(account.run("nsc", "list", "accounts", "--json"))
    assert len(listed) == 202
    assert os.path.isdir(account.path / DATA)
