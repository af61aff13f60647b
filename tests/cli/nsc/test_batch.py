"""nsc batch: many commands as if each were typed, written together, whole or not at all."""

import json
import os
from pathlib import Path

import pytest

from natskit.errors import StoreError
from natskit.store import Plan, journal
from natskit.store.group import Group


@pytest.fixture
def operator(nsc):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")


def write(lines, name="commands"):
    with open(name, "w") as file:
        file.write("\n".join(lines) + "\n")
    return name


def users(nsc, account="A"):
    return [each["name"] for each in json.loads(nsc("list", "users", "-a", account, "--json").out) or []]


def documents(result):
    *lines, summary = [json.loads(line) for line in result.out.splitlines()]
    return lines, summary["batch"]


def test_later_commands_see_what_earlier_ones_did(nsc, home):
    name = write(
        [
            "nsc add operator O --sys",
            "add account A",
            "add user u --allow-pub 'a.>'",
            "edit user u --tag blue",
            "add export --name e --subject e.>",
            "describe user u --json",
            "add account B",
            "add import --src-account A --remote-subject e.>",
            "delete account A --rm-nkey --rm-creds",
            "add account A",
            "list users -a A",
        ]
    )
    result = nsc("batch", name)
    assert '"name": "u"' in result.out, "the document of a command whose line asks for it"
    assert '"blue"' in result.out
    assert "No entries defined" in result.out
    assert 'added account "B"' in result.out
    assert "11 of 11 commands are carried out" in result.err
    assert users(nsc) == []
    assert nsc("describe", "account", "B", "--json").json["nats"]["imports"]
    keys = nsc("list", "keys", "--all", "--json").json
    assert all(each["key_path"] for each in keys if each["name"] in ("A", "B"))
    assert not list(home.rglob("*.natskit*"))


def test_words_are_quoted_as_in_a_shell(nsc, operator):
    name = write(
        [
            "# users",
            "",
            "   add user 'with blank' --tag one  # what follows is no word",
            'add user "double \\"quoted\\"" --tag "a,b"',
            "add user back\\ slash \\",
            "  --tag c",
            "add user --allow-pub $SYS.REQ.> hash#1",
            '["nsc", "add", "user", "json\'s"]',
            "add user em''pty",
        ]
    )
    nsc("batch", name)
    assert set(users(nsc)) == {"with blank", 'double "quoted"', "back slash", "hash#1", "json's", "empty"}
    assert nsc("describe", "user", "hash#1", "--json").json["nats"]["pub"] == {"allow": ["$SYS.REQ.>"]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("add usr bob", "is no command"),
        ("add", "is no command"),
        ("add user bob --tagg x", "unknown flag: --tagg"),
        ("add user bob 'x", "a quote is not closed"),
        ("add user bob jim", "accepts at most 1 arg(s), received 2"),
        ('["add", 1]', "JSON array of words"),
        ("batch other", "does not go into a batch"),
        ("add user --help", "does not go into a batch"),
    ],
)
def test_a_line_that_makes_no_sense_stops_everything_before_it_begins(nsc, operator, line, message):
    name = write(["add user first", line])
    result = nsc("batch", name, exit=1)
    assert f"{name}:2: " in result.err
    assert message in result.err
    assert users(nsc) == []
    assert not os.path.exists(f"{name}.done")


def test_it_stops_at_a_command_that_is_refused_and_goes_on_after_it_was_corrected(nsc, operator):
    name = write(["add user a", "add user a", "add user b"])
    result = nsc("batch", name, exit=1)
    assert f'{name}:2: nsc add user a: the user "a" already exists' in result.err
    assert "1 of 3 commands are carried out, 1 failed, 1 left" in result.err
    assert "--resume" in result.err
    assert users(nsc) == ["a"]
    assert "was begun before: 1 of 3" in nsc("batch", name, exit=1).err
    write(["add user a", "add user c", "add user b"])
    assert "2 of 3 commands are carried out, 1 done before" in nsc("batch", name, "--resume").err
    assert users(nsc) == ["a", "b", "c"]
    assert "nothing is left to do" in nsc("batch", name, "--resume").err


def test_it_goes_on_if_asked_and_takes_up_what_failed(nsc, operator):
    name = write(["add user a", "add user x -a Z", "add user b", "add user y -a Z"])
    result = nsc("batch", name, "--keep-going", exit=1)
    assert f"{name}:2: nsc add user x -a Z: " in result.err
    assert f"{name}:4: nsc add user y -a Z: " in result.err
    assert users(nsc) == ["a", "b"]
    assert "was begun before" in nsc("batch", name, exit=1).err
    nsc("add", "account", "Z")
    nsc("batch", name, "--resume")
    assert users(nsc, "Z") == ["x", "y"]
    assert "nothing is left to do" in nsc("batch", name, "--resume").err


def test_an_edit_of_what_is_done_is_noticed(nsc, operator):
    name = write(["add user a", "add user b", "add user a"])
    nsc("batch", name, exit=1)
    write(["add user a", "add user changed", "add user c"])
    assert "was edited" in nsc("batch", name, "--resume", exit=1).err
    write(["add user a"])
    assert "was edited" in nsc("batch", name, "--resume", exit=1).err
    write(["add user a", "add user b", "add user c", "add user d"])
    nsc("batch", name, "--resume")
    assert users(nsc) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "record", [{"reached": -1}, {"reached": 1, "failed": [7]}, {"natskit_batch": 2}, {"failed": [0]}]
)
def test_a_record_that_cannot_be_one_is_refused(nsc, operator, record):
    name = write(["add user a", "add user b"])
    Path(f"{name}.done").write_text(json.dumps(record))
    assert "is no record of a batch" in nsc("batch", name, "--resume", exit=1).err
    assert users(nsc) == []


def test_a_line_that_failed_and_is_gone_is_an_edit_too(nsc, operator):
    nsc("batch", write(["add user a", "add user a"]), "--keep-going", exit=1)
    name = write(["add user a"])
    assert "was edited" in nsc("batch", name, "--resume", exit=1).err


def test_a_rehearsal_of_what_is_left(nsc, operator):
    name = write(["add user a", "add user a", "add user b"])
    nsc("batch", name, exit=1)
    write(["add user a", "add user c", "add user b"])
    assert "2 of 3 commands would be carried out, 1 done before" in nsc("batch", name, "--resume", "--dry-run").err
    assert users(nsc) == ["a"]
    nsc("batch", name, "--resume")
    assert users(nsc) == ["a", "b", "c"]


def test_a_command_that_ran_alone_is_not_run_again_because_it_cannot_be_noted(nsc, operator, home, monkeypatch):
    name = write(["generate config --mem-resolver --config-file server.conf", "add user a"])
    commit = journal.commit

    def failing(root, changes):
        if any(each.path.endswith(".done") for each in changes):
            raise StoreError("no space")
        commit(root, changes)

    monkeypatch.setattr(journal, "commit", failing)
    result = nsc("batch", name, exit=1)
    assert "no space - nsc generate config --mem-resolver --config-file server.conf was carried out" in result.err
    assert result.out.count("generated") == 1
    assert users(nsc) == []


def test_a_second_ctrl_c_leaves_whole_commands_only(nsc, operator, monkeypatch):
    name = write(["add user a", "add user b"])
    commit, plans = Plan.commit, []

    def interrupted(plan):
        plans.append(plan)
        done = commit(plan)
        if len(plans) == 2:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Plan, "commit", interrupted)
        result = nsc("batch", name, "--json", exit=130)
    error = json.loads(result.err)
    assert error["code"] == "interrupted"
    assert error["report"][0]["text"] == "0 of 2 commands are carried out, 2 left"
    assert error["report"][0]["details"][0]["text"].startswith("go on with: nsc batch")
    assert users(nsc) == []
    nsc("batch", name, "--resume")
    assert users(nsc) == ["a", "b"]


def test_commands_in_hints_can_be_typed(nsc, operator):
    name = write(["add user 'a b'", "add user 'a b'"], "my commands")
    result = nsc("batch", name, "--record", "the record", exit=1)
    assert "nsc describe user --account A 'a b'" in result.err
    assert "go on with: nsc batch 'my commands' --resume --record 'the record'" in result.err


def test_a_byte_order_mark_is_no_part_of_a_command(nsc, operator):
    nsc("batch", write(["\ufeffadd user a", "add user b"]))
    assert users(nsc) == ["a", "b"]


def test_json_is_one_line_for_each_command(nsc, operator):
    name = write(["add user a --tag x", "list users", "add user a", "add user b"])
    result = nsc("batch", name, "--json", "--keep-going", exit=1)
    lines, summary = documents(result)
    assert [each["line"] for each in lines] == [1, 2, 3, 4]
    assert [each["exit"] for each in lines] == [0, 0, 1, 0]
    assert lines[0]["command"] == "nsc add user a --tag x"
    assert lines[0]["result"]["user"]["name"] == "a"
    assert lines[1]["result"][0]["name"] == "a"
    assert lines[2]["error"] == 'the user "a" already exists'
    assert "hint" in lines[2]
    assert json.loads(result.err)["error"] == "3 of 4 commands are carried out, 1 failed"
    assert summary == {"total": 4, "done": 3, "failed": 1, "before": 0, "left": 0}


def test_a_batch_in_json_that_went_well_says_nothing_beside_its_documents(nsc, operator):
    result = nsc("batch", write(["add user a", "add user b"]), "--json")
    assert documents(result)[1]["done"] == 2
    assert result.err == ""


def test_a_dry_run_says_what_would_be_and_changes_nothing(nsc, operator, home):
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    name = write(["add user a", "edit user a --tag x", "add account B", "add user b", "describe user b", "env"])
    result = nsc("batch", name, "--dry-run")
    assert 'added user "b" to account "B"' in result.out
    assert "5 of 6 commands would be carried out, 1 not tried" in result.err
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert not os.path.exists(f"{name}.done")


def test_global_flags_of_the_batch_hold_for_commands_without(nsc, operator):
    nsc("add", "account", "B")
    name = write(["add user b", "add user a -a A"])
    nsc("batch", name, "-a", "B")
    assert users(nsc, "B") == ["b"]
    assert users(nsc) == ["a"]


def test_commands_that_do_more_than_the_store_are_run_in_their_turn(nsc, operator, home):
    name = write(
        [
            "add user a",
            "generate creds -n a -o a.creds",
            "generate config --mem-resolver --config-file server.conf",
            "env -a A",
            f"add operator P --all-dirs {home}/other",
            "add user b",
        ]
    )
    nsc("batch", name, "--quiet")
    assert "BEGIN NATS USER JWT" in Path("a.creds").read_text()
    assert "resolver_preload" in Path("server.conf").read_text()
    assert (home / "other/P/P.jwt").exists()
    assert users(nsc) == ["a", "b"]


def test_a_command_that_cannot_be_written_is_found_out(nsc, operator, monkeypatch):
    commit = journal.commit

    def failing(root, changes):
        if any(each.path.endswith("/b.jwt") for each in changes):
            raise StoreError("no space")
        commit(root, changes)

    monkeypatch.setattr(journal, "commit", failing)
    name = write(["add user a", "add user b", "add user c"])
    result = nsc("batch", name, "--keep-going", exit=1)
    assert f"{name}:2: nsc add user b: no space" in result.err
    assert "2 of 3 commands are carried out, 1 failed" in result.err
    assert users(nsc) == ["a", "c"]


def test_a_key_that_cannot_be_removed_ends_the_batch_and_nothing_is_done_twice(nsc, operator, monkeypatch):
    nsc("add", "user", "old")
    name = write(["add user a", "delete user old --rm-nkey", "add user b"])
    unlink = os.unlink

    def failing(path, **more):
        if str(path).endswith(".nk"):
            raise PermissionError(13, "not allowed", path)
        unlink(path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing)
        result = nsc("batch", name, exit=1)
    assert "cannot remove" in result.err
    assert "what comes before that is done" in result.err
    assert users(nsc) == ["a", "b"]
    assert "nothing is left to do" in nsc("batch", name, "--resume").err


def test_a_batch_makes_a_store_elsewhere_and_goes_on_in_it(nsc, home):
    stores = home / "elsewhere"
    name = write([f"init --name D --dir {stores}", "add account A", *(f"add user u{number}" for number in range(20))])
    nsc("batch", name)
    assert len(list((stores / "D/accounts/A/users").iterdir())) == 20
    assert len(users(nsc)) == 20


def test_the_tool_of_2019_has_batches_too(nsc, home, monkeypatch):
    monkeypatch.setenv("NSC_PROFILE", "2019")
    name = write(["add operator -n O", "add account -n A", "add user -n u", "add user -n u", "edit user -n u --tag x"])
    assert f"{name}:4: nsc add user -n u: " in nsc("batch", name, "--keep-going", exit=1).err
    assert (home / ".nkeys/O/accounts/A/users/u.creds").exists()
    assert nsc("describe", "user", "u", "--json").json["tags"] == ["x"]


def test_another_batch_on_the_same_file_is_noticed(nsc, operator, monkeypatch):
    name = write(["add user a", "env -a A", "add user b"])
    leave = Group.let_go

    def meanwhile(group):
        leave(group)
        Path(f"{name}.done").write_text("{}")

    monkeypatch.setattr(Group, "let_go", meanwhile)
    assert "another process works on commands" in nsc("batch", name, exit=1).err


def test_secrets_are_not_shown(nsc, operator):
    seed = "SAANJIBNEKGCRUWJCPIWUXFBFJLR36FJTFKGBGKAT7AQXH2LVFNQZJMQUA"
    name = write([f"add user a -K {seed}"])
    result = nsc("batch", name, exit=1)
    assert seed not in result.out + result.err
    result = nsc("batch", name, "--json", exit=1)
    assert seed not in result.out + result.err
    name = write([f"add user {'a' * 60} --nope nats://me:pass{'word' * 20}@host", "add user b"])
    assert "passwordword" not in nsc("batch", name, exit=1).err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--resume", "--anew"), "mutually exclusive"),
        (("-i",), "goes to the commands"),
        (("--record", "commands"), "no record of a batch"),
    ],
)
def test_flags_that_do_not_fit_are_refused(nsc, operator, flags, message):
    name = write(["add user a"])
    assert message in nsc("batch", name, *flags, exit=(1, 2)).err
    assert users(nsc) == []
