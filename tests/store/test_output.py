"""Files that a user asked for: whole or not at all."""

import os
import stat

import pytest

from natskit.errors import AlreadyExists, StoreError
from natskit.store.output import write_output


def test_a_file_is_replaced_with_the_mode_that_is_asked_for(tmp_path):
    path = tmp_path / "u.creds"
    path.write_text("before")
    path.chmod(0o644)
    write_output(str(path), b"after", 0o600)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("after", 0o600)
    assert os.listdir(tmp_path) == ["u.creds"]


@pytest.mark.parametrize("call", ["fchmod", "fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch, call):
    path = tmp_path / "u.creds"
    path.write_text("before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_output(str(path), b"after")
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["u.creds"]


def test_a_file_that_is_there_is_kept_if_it_must_be(tmp_path):
    path = tmp_path / "u.creds"
    path.write_text("before")
    with pytest.raises(AlreadyExists):
        write_output(str(path), b"after", overwrite=False)
    assert path.read_text() == "before"
