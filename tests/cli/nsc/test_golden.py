"""Recorded runs of the Go tool, played again with ours: same exit status, same files, same JSON.

What may differ is said in ``tests/golden/README.md`` (wording, effects of steps that fail) and, where we differ on
purpose, in `DIFFERENCES`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from natskit.cli.nsc import tree

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden"
NSC = str(Path(sys.executable).parent / "nsc")

Step = dict[str, Any]

FAILED_BUT_MEANT = {"server", "import-keys", "import-between-stores"}
"""Scenarios in which the effect of a step that fails is meant."""


def _same_json_on_stdout(old: Step, new: Step) -> bool:
    """Results go to stdout, where the Go tool prints some to stderr."""
    return "stderr_json" in old and (old["stderr_json"], old["stderr_layout"]) == (
        new.get("stdout_json", "absent"),
        new.get("stdout_layout"),
    )


def _says_what_it_wrote(old: Step, new: Step) -> bool:
    """With --json a command that writes a file tells it in a JSON document."""
    return {"--json", "-J"} & set(old["argv"]) != set() and "stdout_json" not in old and "written" in new["stdout_json"]


def _finer_status(old: Step, new: Step) -> bool:
    """Misuse is 2, and where nothing was to be changed 3: nothing else happened there in the Go tool either."""
    if (old["exit"], new["exit"]) == (1, 2):
        return True
    idle = not any(step.get("effect", {}).get(kind) for step in (old, new) for kind in ("added", "changed", "removed"))
    return old["exit"] in (0, 1) and new["exit"] == 3 and idle


def _boxes_in_files(old: Step, new: Step) -> bool:
    """Tables written to a file have the same frame as those on the screen."""
    same = _but_texts(old["effect"]) == _but_texts(new["effect"])
    changed = [name for name, entry in old["effect"]["added"].items() if new["effect"]["added"][name] != entry]
    return same and all(new["effect"]["added"][name]["text"][0].startswith("╭") for name in changed)


def _own_comments(old: Step, new: Step) -> bool:
    """Comments in configurations are in our words."""
    was, got = ([_texts(step["effect"], kind) for kind in ("added", "changed")] for step in (old, new))
    return was == got and _but_texts(old["effect"]) == _but_texts(new["effect"])


def _but_texts(effect: dict[str, Any]) -> dict[str, Any]:
    """The effect without the texts of files."""
    return {
        kind: {path: {**entry, "text": ...} for path, entry in effect.get(kind, {}).items()}
        for kind in ("added", "changed")
    } | {"removed": effect.get("removed")}


def _texts(effect: dict[str, Any], kind: str) -> dict[str, list[str]]:
    return {
        path: [line for line in entry["text"] if line.strip() and not line.strip().startswith("#")]
        for path, entry in effect.get(kind, {}).items()
    }


KEPT = {
    "export-service": {"response_type", "account_token_position", "allow_trace"},
    "export-stream": {"account_token_position", "advertise", "response_type"},
    "mapping": {"a"},  # once the mappings of one cluster are deleted: those of the others stay
}
"""Members that an edit which does not name them loses in the Go tool, and not here; by scenario."""


def _keeps_more(was: Any, got: Any, kept: set[str]) -> bool:
    """Whether ``got`` is ``was`` but for members that were kept."""
    if isinstance(was, dict) and isinstance(got, dict):
        more = got.keys() - was.keys()
        return more <= kept and all(name in got and _keeps_more(was[name], got[name], kept) for name in was)
    if isinstance(was, list) and isinstance(got, list):
        return len(was) == len(got) and all(_keeps_more(*pair, kept) for pair in zip(was, got, strict=True))
    return bool(was == got)


OUTPUT, EFFECT, EXIT = ("stdout_json", "stdout_layout", "stderr_json", "stderr_layout"), ("effect",), ("exit",)

DIFFERENCES: dict[tuple[str, ...], dict[Callable[[Step, Step], bool], tuple[str, ...]]] = {
    (): {_finer_status: EXIT},
    ("list",): {_same_json_on_stdout: OUTPUT},
    ("generate", "config"): {_own_comments: EFFECT},
    ("describe",): {_says_what_it_wrote: OUTPUT, _boxes_in_files: EFFECT},
}
"""Deliberate differences by the first words of the command: each says whether it explains one in these facts."""


def _each(scenario: str, steps: tuple[int, ...], why: str) -> dict[tuple[str, int], str]:
    return {(scenario, step): why for step in steps}


STEPS: dict[tuple[str, int], str] = {
    ("account", 7): "a name of blanks is refused: its account could never be listed",
    ("account", 28): "an info url that is no URL is refused",
    **_each("account", (29, 30, 31, 35, 36, 37), "so the URL from before stays"),
    ("account", 34): "permissions named together with --rm-response-perms are added",
    ("account-limits", 14): "wildcard exports stay forbidden through edits that do not name them, so one is refused",
    **_each("account-limits", (15, 16, 18, 19), "so it is not there, and they are still forbidden"),
    **_each("account-limits", (21, 22, 23, 25), "bearer users stay forbidden as well"),
    ("context-profile", 8): "a context that is there already is an error",
    ("diagram", 11): "the drawing says the same with frame, legend and notes of our own",
    ("diagram", 13): "the drawing says the same with labels of our own",
    ("directories", 3): "init -H makes the operator in the folder that it names",
    ("directories", 8): "so the standard folder holds one operator only, which is current",
    ("edit-operator", 32): "an edit that does not name JetStream limits writes none",
    ("export-service", 29): "tracing is still allowed there, so it can be changed",
    ("import-account-user", 32): "an account that is renamed stays the current one",
    ("import-between-stores", 23): "an account that is renamed stays the current one",
    **_each("import-between-stores", (39, 41, 42), "the operator's key is there, so it signs; a warning is no failure"),
    ("jetstream-tiers", 5): "--js-max-bytes-required works also where there are limits",
    ("jetstream-tiers", 16): "a global limit beside tiers is refused, as everywhere else",
    ("managed", 17): "JetStream was not enabled before, so it can be",
    **_each("managed", (18, 19, 21), "so it is enabled"),
    **_each("push-pull", (9, 10), "what only resolvers can do is refused for an account server"),
    ("reissue-operator", 11): "a key that cannot be the operator's is refused, instead of making up another one",
    ("reissue-operator", 14): "so there is one key less",
    ("revocations", 36): "deleting a revocation that is not there is an error, as for users",
    ("scoped-users", 11): "a role named as an argument keeps the limits of its template",
    ("scoped-users", 22): "a misspelt role is an error, it does not fall back to the account's key",
    ("user-permissions", 12): "a subject that no server accepts is refused",
    **_each("user-permissions", (19, 20), "permissions named together with --rm-response-perms are added"),
    ("user", 14): "a network that no server accepts is refused",
    **_each("user", (39, 40, 41), "a time zone alone can be changed"),
    ("walkthrough", 22): "like the page, an activation is generated although the new account is the current one",
    ("walkthrough", 24): "so the file is there already, and is not written over",
}
"""Single steps that differ on purpose, and why."""

NO_COMMANDS = ("thing",)
"""Words after a group that are no command in the Go tool either."""


def golden() -> Any:
    """The recorder, which also compares."""
    folder = GOLDEN / "tools"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("golden_nsc", folder / "golden_nsc.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missing_command(steps: list[Step]) -> str:
    """The first command that does not exist here; empty if all do."""
    for step in steps:
        words = [word for word in step.get("argv", ()) if not word.startswith("-") and "{" not in word]
        if words and not _exists(words):
            return " ".join(words[:2])
    return ""


def _exists(words: list[str]) -> bool:
    path = tree.names_in("").get(tree.canonical(words[0]))
    if path is None or tree.leaf_of(path) is not None or len(words) < 2:
        return path is not None
    return tree.canonical(words[1]) in tree.names_in(path) or words[1] in NO_COMMANDS


def unexplained(document: dict[str, Any], replayed: dict[str, Any]) -> Iterator[str]:
    """What differs and may not, as text."""
    tool = golden()
    for number, (old, new) in enumerate(zip(document["steps"], replayed["steps"], strict=True)):
        if "argv" not in old or old["exit"] == 2 or (document["scenario"], number) in STEPS:
            continue
        for member in tool.FACTS:
            was, got = (_comparable(step, member, old, document["scenario"]) for step in (old, new))
            same = _keeps_more(was, got, KEPT.get(document["scenario"], set()))
            if not same and not _explained(member, old, new):
                command = shlex.join(old["argv"])
                yield f"step {number}: nsc {command}: {member}\n- {tool.pretty(was)}\n+ {tool.pretty(got)}"


def _comparable(step: Step, member: str, old: Step, scenario: str) -> Any:
    value = step.get(member)
    if member in ("effect", "tokens") and old["exit"] != 0 and scenario not in FAILED_BUT_MEANT:
        return None
    if member != "effect":
        return value
    return {kind: paths for kind, paths in (value or {}).items() if kind != "rewritten"}


def _explained(member: str, old: Step, new: Step) -> bool:
    checks = (found for words, found in DIFFERENCES.items() if tuple(old["argv"][: len(words)]) == words)
    return any(member in members and _holds(check, old, new) for found in checks for check, members in found.items())


def _holds(check: Callable[[Step, Step], bool], old: Step, new: Step) -> bool:
    try:
        return check(old, new)
    except (KeyError, AttributeError):
        return False


SCENARIOS = {path.stem: path for path in sorted((GOLDEN / "nsc").glob("*.json"))}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_same_facts_as_the_go_tool(scenario):
    document = json.loads(SCENARIOS[scenario].read_text())
    assert missing_command(document["steps"]) == ""
    umask = os.umask(0o022)
    try:
        replayed = golden().record(NSC, SCENARIOS[scenario])
    finally:
        os.umask(umask)
    assert "\n".join(unexplained(document, replayed)) == ""


def test_the_walkthrough_of_2019(monkeypatch):
    path = GOLDEN / "nsc-2019/walkthrough.json"
    document = json.loads(path.read_text())
    for step in document["steps"]:
        if "argv" in step:
            step["env"] = {"NSC_PROFILE": "2019"}
    tool = golden()
    given = [{name: step[name] for name in ("argv", "env", "do") if name in step} for step in document["steps"]]
    monkeypatch.setattr(tool, "read_scenario", lambda _: (document["title"], given))
    umask = os.umask(0o022)
    try:
        replayed = tool.record(NSC, path)
    finally:
        os.umask(umask)
    assert "\n".join(unexplained(document, replayed)) == ""
