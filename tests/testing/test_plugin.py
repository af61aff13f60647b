"""The pytest plugin, as a project uses it that has natskit installed: its test files are run by a pytest of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import talking

pytest_plugins = ["pytester"]

PLAIN = ("-p", "no:asyncio", "-p", "no:xdist", "-p", "no:cacheprovider", "-q", "-W", "error")
ASYNCIO = (
    *("-p", "no:xdist", "-p", "no:cacheprovider", "-q", "-W", "error"),
    *("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"),
)

TALK = Path(talking.__file__).read_text()

SYNCHRONOUS = """
import pytest
from talking import talk

HELLO = b'CONNECT {"verbose":false,"name":"me"}\\r\\nSUB a.* 1\\r\\nPUB a.b 2\\r\\nhi\\r\\nPING\\r\\n'

def test_a_server(nats_server):
    assert b"MSG a.b 1 2\\r\\nhi\\r\\n" in talk(nats_server.client_url, HELLO)

def test_another_server_has_not_seen_it(nats_server):
    assert nats_server.call(lambda it: it.total_connections) == 0

def test_several_servers(make_nats_server):
    one, other = make_nats_server(), make_nats_server("listen: 127.0.0.1:-1, server_name: other")
    assert one.port != other.port
    assert other.name == "other"

class TestConfigured:
    @pytest.fixture
    def nats_server_config(self):
        return {"listen": "127.0.0.1:-1", "authorization": {"token": "t"}}

    def test_its_own_configuration(self, nats_server):
        assert b"Authorization Violation" in talk(nats_server.client_url, HELLO, b"-ERR")
        assert nats_server.last_auth_error is not None
"""

ASYNCHRONOUS = """
import asyncio, nats

async def deliver(operator):
    orders, reports = operator.account("orders"), operator.account("reports")
    orders.export("prices.>", private=True)
    reports.import_from(orders, "prices.eur")
    alice, bob = orders.user("alice", pub="prices.>"), reports.user("bob")
    here = await nats.connect(operator.server.client_url, user_credentials=alice.creds_file)
    there = await nats.connect(operator.server.client_url, user_credentials=bob.creds_file)
    subscription = await there.subscribe("prices.eur")
    await there.flush()
    await here.publish("prices.eur", b"7")
    assert (await subscription.next_msg(timeout=5)).data == b"7"
    await here.close()
    await there.close()
"""


def outcome(pytester, *flags, **files):
    pytester.makepyfile(**files)
    return pytester.runpytest_subprocess(*flags, timeout=60)


def test_synchronous_tests_without_any_asyncio_plugin(pytester):
    result = outcome(pytester, *PLAIN, talking=TALK, test_servers=SYNCHRONOUS)
    result.assert_outcomes(passed=4)


def test_asyncio_run_and_pytest_asyncio(pytester):
    by_hand = "def test_it(nats_operator):\n    asyncio.run(deliver(nats_operator))\n"
    by_plugin = "async def test_it(nats_operator):\n    await deliver(nats_operator)\n"
    result = outcome(
        pytester,
        *ASYNCIO,
        test_by_hand=ASYNCHRONOUS + by_hand,
        test_by_plugin=ASYNCHRONOUS + by_plugin,
    )
    result.assert_outcomes(passed=2)


def test_the_examples_of_the_testing_page_are_tests_that_pass(pytester):
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    result = outcome(pytester, *ASYNCIO, **{f"test_{number}": code for number, code in enumerate(examples)})
    assert len(examples) == 5
    result.assert_outcomes(passed=len(examples))


def test_nothing_is_left_when_tests_fail(pytester):
    failing = """
    import threading

    def test_fails(nats_operator, nats_server, make_nats_server):
        make_nats_server()
        nats_operator.serve()
        assert not nats_operator.server.running

    def test_is_alone():
        assert not [each for each in threading.enumerate() if each.name == "natskit-server"]
    """
    outcome(pytester, *PLAIN, test_failing=failing).assert_outcomes(passed=1, failed=1)


def test_the_fixtures_explain_themselves(pytester):
    result = pytester.runpytest_subprocess(*PLAIN, "--fixtures", timeout=60)
    for name in ("nats_server", "nats_server_config", "make_nats_server", "nats_operator"):
        result.stdout.re_match_lines([rf"{name} -- .*plugin\.py.*"])


@pytest.mark.parametrize("module", ["natskit.testing", "natskit.testing.plugin"])
def test_a_run_that_uses_nothing_loads_nothing(module):
    script = f"import pytest, sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if not name.startswith("natskit")} == set()
    assert loaded <= {"natskit", "natskit.testing", "natskit.testing.plugin"}
