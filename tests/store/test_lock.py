"""One at a time, and nothing is left behind."""

import os
import subprocess
import sys

import pytest

from natskit.errors import StoreError
from natskit.store.lock import Lock

COUNT = """
import sys
from natskit.store.lock import Lock

folder, times = sys.argv[1], int(sys.argv[2])
for _ in range(times):
    with Lock(folder):
        with open(f"{folder}/count") as file:
            count = int(file.read())
        with open(f"{folder}/count", "w") as file:
            file.write(str(count + 1))
"""


def test_processes_take_turns(tmp_path):
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path), "50"]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    assert (tmp_path / "count").read_text() == "200"


def test_the_file_goes_with_the_lock(tmp_path):
    with Lock(str(tmp_path)):
        assert os.listdir(tmp_path)
    assert os.listdir(tmp_path) == []


def test_it_nests_and_settles_once(tmp_path):
    settled = []
    lock = Lock(str(tmp_path), settle=settled.append)
    with lock, lock:
        assert lock.held
    assert not lock.held
    assert settled == [str(tmp_path)]


def test_a_failed_settling_lets_go(tmp_path):
    def fail(folder):
        raise StoreError("no")

    with pytest.raises(StoreError), Lock(str(tmp_path), settle=fail):
        pass
    with Lock(str(tmp_path), wait_s=0):
        pass


def test_waiting_has_an_end(tmp_path):
    refused = pytest.raises(StoreError, match="another process is working")
    with Lock(str(tmp_path)), refused, Lock(str(tmp_path), wait_s=0.01):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    held = "import sys; from natskit.store.lock import Lock; Lock(sys.argv[1]).__enter__(); print('held', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", held, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.communicate()
    assert os.listdir(tmp_path)
    with Lock(str(tmp_path), wait_s=5):
        pass
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(StoreError, match="cannot lock"), Lock(str(tmp_path / "absent")):
        pass


def test_who_waits_is_seen_and_gets_its_turn(tmp_path):
    ask = (
        "import sys; from natskit.store.lock import Lock\nwith Lock(sys.argv[1]): print('has it', flush=True); input()"
    )
    lock = Lock(str(tmp_path))
    with lock:
        assert not lock.wanted
        process = subprocess.Popen(
            [sys.executable, "-c", ask, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        while not lock.wanted:
            assert process.poll() is None
        process.stdin.write("\n")
        process.stdin.flush()
        lock.give_way()
        assert lock.held
        assert process.communicate(timeout=30)[0] == "has it\n"
    assert os.listdir(tmp_path) == []


def test_one_that_died_waiting_wants_nothing(tmp_path):
    (tmp_path / ".natskit.queue").touch()
    with Lock(str(tmp_path)) as lock:
        assert not lock.wanted
    assert os.listdir(tmp_path) == []
