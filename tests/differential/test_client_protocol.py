"""The client protocol, case by case, against the real server."""

from __future__ import annotations

import pytest
from tests.differential.duel import Raw

C = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
CH = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}\r\n'

TALKS = {
    # before CONNECT, and CONNECT itself
    "verbs_work_before_connect": [("a", b"SUB foo 1\r\nPUB foo 2\r\nhi\r\n")],
    "connect_keeps_verbose_if_not_said": [("a", b"CONNECT {}\r\nSUB a 1\r\n")],
    "connect_verbose_false": [("a", C + b"SUB a 1\r\nPUB a 0\r\n\r\n")],
    "connect_without_space": [("a", b"CONNECT{}\r\nSUB a 1\r\n"), ("a", b"")],
    "connect_keys_in_any_case": [("a", b'CONNECT {"VERBOSE":false,"Pedantic":false}\r\nSUB a 1\r\n')],
    "connect_null_changes_nothing": [("a", b'CONNECT null\r\nCONNECT {"verbose":null}\r\nSUB a 1\r\n')],
    "connect_unknown_keys": [("a", b'CONNECT {"foo":{"bar":[1]}}\r\n')],
    "connect_duplicate_key": [("a", b'CONNECT {"verbose":true,"verbose":false}\r\nSUB a 1\r\n')],
    "connect_protocol_1_sends_info_after_first_pong": [("a", CH), ("a", b"")],
    "connect_protocol_0_sends_none": [("a", C), ("a", b"")],
    "ping_before_connect_does_not_use_up_the_info": [("a", b""), ("a", CH), ("a", b"")],
    "second_connect_drops_subscriptions": [
        ("a", C + b"SUB foo 1\r\n"), ("b", C + b"PUB foo 1\r\nx\r\n"), ("a", C), ("b", b"PUB foo 1\r\ny\r\n"),
        ("a", b"SUB foo 1\r\n"), ("b", b"PUB foo 1\r\nz\r\n"),
    ],
    "second_connect_keeps_options": [("a", C + b'CONNECT {"name":"x"}\r\nSUB foo 1\r\n')],
    "second_connect_turns_verbose_on": [("a", C + b'CONNECT {"verbose":true}\r\nSUB foo 1\r\n')],
    "second_info_is_not_repeated": [("a", CH), ("a", CH), ("a", b"")],
    # lines
    "mixed_case_verbs": [("a", C + b"sUb foo 1\r\npub foo 2\r\nhi\r\nPuB foo 2\r\nho\r\nuNsUb 1\r\nPub foo 2\r\nhi\r\n")],
    "spaces_and_tabs_between_arguments": [("a", C + b"SUB\t foo  \t 1 \r\nPUB \t foo   2  \r\nhi\r\nPUB foo\t2\r\nho\r\n")],
    "bare_lf": [("a", b'CONNECT {"verbose":false,"pedantic":false}\nSUB foo 1\nPUB foo 2\nhi\r\n')],
    "ping_with_rest": [("a", b"PING abc\r\nPINGX\r\nPONG hello\r\n+OK\r\n+OKAY\r\n")],
    "leading_zeros_are_echoed": [("a", C + b"SUB a 1\r\nPUB a 0000002\r\nhi\r\nPUB a r 000\r\n\r\n")],
    "info_from_client_is_ignored": [("a", C + b'INFO {"a":1}\r\n')],
    "empty_payload": [("a", C + b"SUB a 1\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\n")],
    "payload_with_crlf_inside": [("a", C + b"SUB a 1\r\nPUB a 6\r\n\r\nPUB \r\n")],
    "reply_is_forwarded": [("a", C + b"SUB a 1\r\nPUB a some.reply 2\r\nhi\r\nPUB a 12 2\r\nhi\r\nPUB a * 1\r\nx\r\n")],
    "binary_subjects_sids_queues": [("a", C + b"SUB f\xff\x00o q\xfe \xfd\r\nPUB f\xff\x00o \xfc 2\r\n\x00\xff\r\n")],
    # subscriptions
    "sid_in_use_is_ignored": [("a", b"SUB foo 1\r\nSUB bar 1\r\nPUB bar 1\r\nx\r\nPUB foo 1\r\ny\r\n")],
    "two_sids_two_copies": [("a", C + b"SUB foo 1\r\nSUB foo 2\r\nPUB foo 1\r\nx\r\n")],
    "any_token_is_a_sid": [("a", C + b"SUB foo abc.*\r\nPUB foo 1\r\nx\r\nUNSUB abc.*\r\nPUB foo 1\r\nx\r\n")],
    "unsub_unknown": [("a", b"UNSUB 7\r\nUNSUB 7 3\r\n")],
    "unsub_now": [("a", C + b"SUB foo 1\r\nUNSUB 1\r\nPUB foo 1\r\nx\r\n")],
    "unsub_zero_negative_garbage": [
        ("a", C + b"SUB foo 1\r\nUNSUB 1 0\r\nSUB foo 2\r\nUNSUB 2 -5\r\nSUB foo 3\r\nUNSUB 3 abc\r\nPUB foo 1\r\nx\r\n"),
    ],
    "unsub_max_counts_from_sub": [
        ("a", C + b"SUB foo 1\r\n" + b"PUB foo 1\r\nx\r\n" * 2 + b"UNSUB 1 3\r\n" + b"PUB foo 1\r\ny\r\n" * 3),
    ],
    "unsub_max_already_reached": [
        ("a", C + b"SUB foo 1\r\n" + b"PUB foo 1\r\nx\r\n" * 3 + b"UNSUB 1 3\r\nPUB foo 1\r\ny\r\n"),
    ],
    "unsub_max_raised_and_lowered": [
        ("a", C + b"SUB foo 1\r\nUNSUB 1 2\r\nUNSUB 1 3\r\n" + b"PUB foo 1\r\nx\r\n" * 5),
        ("a", b"SUB foo 2\r\nUNSUB 2 5\r\nUNSUB 2 1\r\n" + b"PUB foo 1\r\nx\r\n" * 5),
    ],
    "unsub_cancels_max": [("a", C + b"SUB foo 1\r\nUNSUB 1 5\r\nUNSUB 1\r\nPUB foo 1\r\nx\r\n")],
    "sid_is_free_after_max": [
        ("a", C + b"SUB foo 1\r\nUNSUB 1 1\r\nPUB foo 1\r\nx\r\nSUB foo 1\r\n" + b"PUB foo 1\r\ny\r\n" * 3),
    ],
    "max_on_wildcard_and_queue": [
        ("a", C + b"SUB f.* g 1\r\nUNSUB 1 2\r\nSUB f.> 2\r\nUNSUB 2 1\r\n" + b"PUB f.a 1\r\nx\r\nPUB f.b 1\r\ny\r\n" * 2),
    ],
    "invalid_subjects": [
        ("a", b"SUB a..b 1\r\nSUB .a 2\r\nSUB a. 3\r\nSUB a.>.b 4\r\nSUB >.a 5\r\nSUB . 6\r\nSUB a*b 7\r\nSUB a> 8\r\n"
              b"SUB ** 9\r\nSUB foo.*bar 10\r\nSUB *.* 11\r\nSUB > 12\r\nPUB a*b 0\r\n\r\n"),
    ],
    "invalid_sid_can_be_used_again": [("a", b"SUB a..b 1\r\nSUB a 1\r\nPUB a 0\r\n\r\n")],
    "queue_names": [("a", C + b"SUB a * 1\r\nSUB a > 2\r\nSUB a x..y 3\r\nPUB a 1\r\nx\r\n")],
    "queue_sys_is_refused": [("a", b"SUB a _sys_ 1\r\n")],
    # matching
    "wildcards": [
        ("a", C + b"SUB a.* 1\r\nSUB a.> 2\r\nSUB * 3\r\nSUB > 4\r\nSUB a.*.c 5\r\nSUB *.b.> 6\r\nSUB A.b 7\r\n"
              b"PUB a 0\r\n\r\nPUB a.b 0\r\n\r\nPUB a.b.c 0\r\n\r\nPUB b 0\r\n\r\n"),
    ],
    "publish_empty_tokens": [("a", C + b"SUB > 1\r\nPUB a..b 1\r\nx\r\nPUB .a 1\r\nx\r\nPUB a. 1\r\nx\r\nPUB ok 0\r\n\r\n")],
    "publish_wildcards_are_literal": [
        ("a", C + b"SUB a.* 1\r\nSUB a.b 2\r\nSUB > 3\r\nPUB a.* 1\r\nx\r\nPUB a.> 1\r\ny\r\nPUB * 1\r\nz\r\n"),
    ],
    "pedantic_reports_but_delivers": [
        ("a", b'CONNECT {"verbose":false}\r\nSUB > 1\r\nPUB a..b 1\r\nx\r\nPUB a.* 1\r\ny\r\nPUB a.> 1\r\nz\r\nPUB a*b 0\r\n\r\n'),
    ],
    "pedantic_and_verbose": [("a", b"CONNECT {}\r\nSUB > 1\r\nPUB a..b 1\r\nx\r\nPUB a.* r..r 1\r\ny\r\n")],
    "queue_groups_across_subjects": [
        ("a", C + b"SUB z.a g 1\r\n"), ("b", C + b"PUB z.a 1\r\nx\r\nPUB z.b 1\r\ny\r\n"),
        ("a", b"SUB z.a h 2\r\nSUB z.a 3\r\n"), ("b", b"PUB z.a 1\r\nx\r\n"),
    ],
    # modes
    "echo_false": [("a", b'CONNECT {"verbose":false,"echo":false}\r\nSUB foo 1\r\nSUB foo q 2\r\nPUB foo 1\r\nx\r\n'),
                   ("b", C + b"PUB foo 1\r\ny\r\n")],
    "echo_false_queue_goes_to_others": [
        ("a", b'CONNECT {"verbose":false,"echo":false}\r\nSUB foo q 1\r\n'), ("b", C + b"SUB foo q 1\r\n"),
        ("a", b"PUB foo 1\r\nx\r\n" * 8),
    ],
    "verbose_ok_before_own_message": [("a", b'CONNECT {"pedantic":false}\r\nSUB a 1\r\nPUB a 1\r\nx\r\nUNSUB 1\r\n')],
    # headers
    "headers": [
        ("a", CH + b"SUB a 1\r\n"), ("b", C + b"SUB a 1\r\n"),
        ("a", b"HPUB a 22 27\r\nNATS/1.0\r\nKey: val\r\n\r\nhello\r\nHPUB a re.ply 22 22\r\nNATS/1.0\r\nKey: val\r\n\r\n\r\n"),
    ],
    "headers_are_not_checked": [("a", CH + b"SUB a 1\r\nHPUB a 3 5\r\nabcde\r\nHPUB a 03 005\r\nabcde\r\n")],
    "header_size_zero": [("a", CH + b"SUB a 1\r\nHPUB a 0 3\r\nabc\r\nHPUB a r 0 3\r\nabc\r\n")],
    "no_responders": [
        ("a", CH + b"SUB in.* 1\r\nPUB nobody in.x 2\r\nhi\r\nPUB nobody 2\r\nhi\r\nPUB nobody other 0\r\n\r\n"),
    ],
    "no_responders_once": [("a", CH + b"SUB in.x 1\r\nSUB in.x 1\r\nPUB nobody in.x 2\r\nhi\r\n")],
    "no_responders_not_for_queue_subscriptions": [("a", CH + b"SUB in.x q 1\r\nPUB nobody in.x 2\r\nhi\r\n")],
    "no_responders_with_echo_off": [
        ("a", b'CONNECT {"verbose":false,"headers":true,"no_responders":true,"echo":false}\r\nSUB svc 1\r\nSUB in.x 2\r\n'
              b"PUB svc in.x 2\r\nhi\r\n"),
    ],
    "no_responders_not_counted": [
        ("a", CH + b"SUB in.x 1\r\nUNSUB 1 1\r\nPUB nobody in.x 0\r\n\r\nPUB nobody in.x 0\r\n\r\nPUB in.x 0\r\n\r\nPUB in.x 0\r\n\r\n"),
    ],
    "no_responders_verbose": [
        ("a", b'CONNECT {"headers":true,"no_responders":true}\r\nSUB in.x 1\r\nPUB nobody in.x 0\r\n\r\n'),
    ],
    "no_responders_empty_token": [("a", CH + b"SUB in.x 1\r\nSUB a.> 2\r\nPUB a..b in.x 0\r\n\r\n")],
    "no_responders_hpub": [("a", CH + b"SUB in.x 1\r\nHPUB nobody in.x 12 12\r\nNATS/1.0\r\n\r\n\r\n")],
    # reserved
    "reserved_replies": [
        ("a", b'CONNECT {"pedantic":false}\r\nPUB foo _R_.x 1\r\nx\r\nPUB foo $JS.ACK.x 1\r\nx\r\nPUB foo _GR_.a.b 1\r\nx\r\n'
              b"PUB foo _INBOX.x 1\r\nx\r\nPUB foo _R_ 1\r\nx\r\n"),
    ],
    "reserved_subjects": [
        ("a", b'CONNECT {"pedantic":false}\r\nSUB > 1\r\nPUB _GR_.a.b.c 1\r\nx\r\nPUB $GNR.x 1\r\nx\r\nPUB $GR.x 1\r\nx\r\nPUB $NRG.x 1\r\nx\r\nPUB _R_.x 1\r\nx\r\n'),
    ],
    "quoting_in_errors": [("a", b'SUB a"b\\\x01\xff\xc3\xa9 _sys_ 1\r\n')],
    "large_payloads": [
        ("a", C + b"SUB a 1\r\nSUB a 2\r\nPUB a 100000\r\n" + b"x" * 100000 + b"\r\nPUB a r 9000\r\n" + b"y" * 9000 + b"\r\n"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TALKS)
def test_talks(name, duel):
    duel(TALKS[name])


BREAKS = {
    "blank_before_verb": b" PING\r\n",
    "empty_line": b"\r\n",
    "unknown_verb": b"FOO\r\n",
    "wrong_letter": b"PIX",
    "pub_without_arguments": b"PUB\r\n",
    "sub_without_arguments": b"SUB\r\n",
    "unsub_without_arguments": b"UNSUB\r\n",
    "connect_without_arguments": b"CONNECT\r\n",
    "connect_with_something_behind": b"CONNECTX\r\n",
    "connect_empty": b"CONNECT \r\n",
    "err_without_text": b"-ERR\r\n",
    "err_with_text": b"-ERR 'oops'\r\n",
    "msg_from_client": b"MSG a 1 2\r\nhi\r\n",
    "rmsg_from_client": b"RMSG a\r\n",
    "lmsg_from_client": b"LMSG a\r\n",
    "subs_of_routes": b"RS+ a b\r\n",
    "account_of_routes": b"A+ a\r\n",
    "pub_one_argument": b"PUB foo\r\n",
    "pub_four_arguments": b"PUB a b c 5\r\n",
    "pub_size_negative": b"PUB a -1\r\n",
    "pub_size_signed": b"PUB a +1\r\n",
    "pub_size_ten_digits": b"PUB a 0000000001\r\n",
    "pub_size_hex": b"PUB a 0x1\r\n",
    "pub_size_too_large": b"PUB a 1048577\r\n",
    "pub_size_nine_digits": b"PUB a 999999999\r\n",
    "pub_payload_too_long": b"PUB a 2\r\nhixx\r\n",
    "pub_payload_too_short": b"PUB a 5\r\nhi\r\nPING\r\n",
    "pub_payload_bare_lf": b"PUB a 2\r\nhi\n",
    "pub_payload_cr_only": b"PUB a 2\r\nhi\rX",
    "sub_one_argument": b"SUB foo\r\n",
    "sub_four_arguments": b"SUB a b c d\r\n",
    "unsub_three_arguments": b"UNSUB 1 2 3\r\n",
    "connect_bad_json": b"CONNECT {\r\n",
    "connect_not_an_object": b"CONNECT [1]\r\n",
    "connect_trailing_text": b"CONNECT {} x\r\n",
    "connect_wrong_type": b'CONNECT {"verbose":1}\r\n',
    "connect_float_for_int": b'CONNECT {"protocol":1.0}\r\n',
    "connect_string_for_int": b'CONNECT {"protocol":"1"}\r\n',
    "connect_protocol_2": b'CONNECT {"protocol":2}\r\n',
    "connect_negative_protocol": b'CONNECT {"protocol":-1}\r\n',
    "connect_account": b'CONNECT {"account":"x"}\r\n',
    "connect_no_responders_without_headers": b'CONNECT {"no_responders":true}\r\n',
    "info_bad_json": b"INFO {\r\n",
    "hpub_without_headers": b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    "hpub_header_larger_than_total": CH + b"HPUB a 5 3\r\nabc\r\n",
    "hpub_two_arguments": CH + b"HPUB a 5\r\n",
    "hpub_five_arguments": CH + b"HPUB a b c 1 2\r\n",
    "hpub_too_large": CH + b"HPUB a 12 1048577\r\n",
    "hpub_bad_numbers": CH + b"HPUB a x 12\r\n",
    "hmsg_from_client": b"HMSG a 1 2 3\r\n",
    "control_line_too_long": b"SUB " + b"a" * 4096 + b" 1\r\n",
    "control_line_too_long_unfinished": b"SUB " + b"a" * 5000,
    "pub_line_too_long": b"PUB " + b"a" * 4096 + b" 1\r\n",
    "connect_too_long": b'CONNECT {"name":"' + b"a" * 4096 + b'"}\r\n',
    "tls_hello": b"\x16\x03\x01\x02\x00",
    "http": b"GET / HTTP/1.1\r\n",
}


@pytest.mark.parametrize("name", BREAKS)
def test_breaks(name, duel):
    duel([("a", b"SUB foo 1\r\n"), ("a", Raw(BREAKS[name]))], ends=("a",))


@pytest.mark.parametrize("name", ["err_with_text", "pub_payload_too_long", "control_line_too_long", "connect_bad_json"])
def test_breaks_leave_others_alone(name, duel):
    duel([("a", C + b"SUB foo 1\r\n"), ("b", Raw(BREAKS[name])), ("c", C + b"PUB foo 2\r\nhi\r\n")], ends=("b",))


def test_control_line_limit_is_inclusive(duel):
    line = b"SUB " + b"a" * 4094 + b" 1"
    assert len(line) - 4 == 4096
    duel([("a", line + b"\r\n")])


def test_connect_counts_as_control_line(duel):
    long = b'{"name":"' + b"a" * 4085 + b'"}'
    assert len(long) == 4096
    duel([("a", b"CONNECT " + long + b"\r\nSUB a 1\r\n")])


LIMITED = "max_control_line: 256\nmax_payload: 100\nmax_subscriptions: 2\nmax_subscription_tokens: 3\n"


@pytest.mark.parametrize(
    ("steps", "ends"),
    [
        ([("a", b"SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nSUB b 2\r\nUNSUB 1\r\nSUB c 3\r\n")], ()),
        ([("a", b"SUB a.b.c 1\r\nSUB a.b.c.d 2\r\nSUB a.b.c.d q 3\r\nSUB a..b.c 2\r\n")], ()),
        ([("a", C + b"SUB a 1\r\nPUB a 100\r\n" + b"x" * 100 + b"\r\n"), ("a", Raw(b"PUB a 101\r\n"))], ("a",)),
        ([("a", CH + b"SUB a 1\r\n"), ("a", Raw(b"HPUB a 12 101\r\n"))], ("a",)),
        ([("a", b"SUB " + b"a" * 254 + b" 1\r\n")], ()),
        ([("a", Raw(b"SUB " + b"a" * 255 + b" 1\r\n"))], ("a",)),
        ([("a", Raw(b"PUB " + b"a" * 255 + b" 1\r\n"))], ("a",)),
        ([("a", b"PING " + b"a" * 1000 + b"\r\n")], ()),
        ([("a", b"SUB " + b" " * 1000 + b"a 1\r\n")], ()),
    ],
)
def test_limits(steps, ends, duel):
    duel(steps, config=LIMITED, ends=ends)


@pytest.mark.parametrize("count", ["0", "-1"])
def test_max_connections_of_nobody(count, duel):
    duel([("a", Raw(b""))], config=f"max_connections: {count}", ends=("a",))


def test_max_connections(duel):
    duel([("a", b""), ("b", b""), ("c", Raw(b""))], config="max_connections: 2", ends=("c",))


def test_no_header_support(duel):
    steps = [("a", b'CONNECT {"headers":true}\r\nSUB a 1\r\n'), ("a", Raw(b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n"))]
    duel(steps, config="no_header_support: true", ends=("a",))


AUTH = """
authorization { users = [ {user: a, password: a}
  {user: p, password: p, permissions: {publish: {allow: ["a.*", "_INBOX.>"], deny: "a.secret"}, subscribe: {allow: ["c.>", "q g1"], deny: ["c.no", "c.qq dq"]}}}
  {user: r, password: r, permissions: {subscribe: svc, allow_responses: {max: 2}}} ] }
"""


def login(user):
    return b'CONNECT {"user":"%s","pass":"%s","verbose":false,"pedantic":false}\r\n' % (user, user)


AUTHS = {
    "verb_before_connect": ([("x", Raw(b"PING\r\n"))], ("x",)),
    "sub_before_connect": ([("x", Raw(b"SUB a 1\r\n"))], ("x",)),
    "garbage_before_connect": ([("x", Raw(b"\x16\x03\r\n"))], ("x",)),
    "other_word_with_c": ([("x", Raw(b"CX\r\n"))], ("x",)),
    "wrong_password": ([("x", Raw(b'CONNECT {"user":"a","pass":"b"}\r\n'))], ("x",)),
    "no_credentials": ([("x", Raw(b"CONNECT {}\r\n"))], ("x",)),
    "second_connect_as_another": (
        [("x", login(b"a") + b"SUB c.x 1\r\n"), ("x", login(b"p") + b"SUB zz 1\r\nSUB c.x 2\r\nPUB c.x 0\r\n\r\n")],
        (),
    ),
    "second_connect_wrong": ([("x", login(b"a")), ("x", Raw(b'CONNECT {"user":"a","pass":"b"}\r\n'))], ("x",)),
    "good_login_with_ok": ([("x", b'CONNECT {"user":"a","pass":"a"}\r\n')], ()),
    "publish_permissions": (
        [("y", login(b"a") + b"SUB > 1\r\n"),
         ("x", login(b"p") + b"PUB a.x 1\r\nx\r\nPUB a.secret 1\r\nx\r\nPUB a.x 1\r\nx\r\nPUB z r 1\r\nx\r\nPUB a 1\r\nx\r\n")],
        (),
    ),
    "publish_permissions_verbose": (
        [("x", b'CONNECT {"user":"p","pass":"p"}\r\nPUB a.x 1\r\nx\r\nPUB a.secret 1\r\nx\r\nPUB a.x _R_.x 1\r\nx\r\nPUB a..b 1\r\nx\r\n')],
        (),
    ),
    "subscribe_permissions": (
        [("x", login(b"p") + b"SUB c.no 1\r\nSUB > 1\r\nSUB q 1\r\nSUB q g2 1\r\nSUB c.qq dq 1\r\nSUB q g1 2\r\nSUB c.a..b 3\r\nSUB zz..z 3\r\n"
          b"SUB zz..z 3\r\n")],
        (),
    ),
    "deny_filters_delivery": (
        [("x", login(b"p") + b"SUB c.> 9\r\nSUB c.* dq 11\r\nSUB c.* other 12\r\n"),
         ("y", login(b"a") + b"PUB c.no 1\r\nx\r\nPUB c.ok 1\r\ny\r\nPUB c.qq 1\r\nz\r\n")],
        (),
    ),
    "allow_responses": (
        [("x", login(b"r") + b"SUB svc 1\r\n"), ("y", login(b"a") + b"SUB in 2\r\nPUB svc in 1\r\nq\r\n"),
         ("x", b"PUB in 1\r\n1\r\nPUB in 1\r\n2\r\nPUB in 1\r\n3\r\nPUB other 1\r\nx\r\n")],
        (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AUTHS)
def test_login_and_permissions(name, duel):
    steps, ends = AUTHS[name]
    duel(steps, config=AUTH, ends=ends)


ANONYMOUS = "accounts { A { users = [{user: a, password: ap}] } }\nno_auth_user: a\n"


@pytest.mark.parametrize(
    ("steps", "ends"),
    [
        ([("x", b"SUB foo 1\r\nPUB foo 2\r\nhi\r\n")], ()),
        ([("x", b"PUB foo 2\r\nhi\r\n" * 3)], ()),
        ([("x", b"CONNECT {}\r\nSUB foo 1\r\n")], ()),
        ([("x", Raw(b'CONNECT {"user":"a","pass":"no"}\r\n'))], ("x",)),
        ([("x", b""), ("x", b'CONNECT {"user":"a","pass":"ap","protocol":1}\r\n')], ()),
    ],
)
def test_no_auth_user(steps, ends, duel):
    duel(steps, config=ANONYMOUS, ends=ends)
