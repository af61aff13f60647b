"""The client protocol, case by case, against the real server."""

from __future__ import annotations

import pytest
from tests.differential.duel import Raw, play

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
    "first_connect_keeps_subscriptions": [
        ("a", b"SUB foo 1\r\nSUB foo 2\r\nUNSUB 2 2\r\nPUB foo 1\r\nx\r\n" + CH + b"PUB foo 1\r\ny\r\nHPUB foo 2 4\r\nabcd\r\n"),
        ("b", b"SUB foo 1\r\nPUB foo 1\r\nz\r\n"), ("b", b'CONNECT {"echo":false}\r\nPUB foo 1\r\nz\r\n'), ("b", C + b"PUB foo 1\r\nz\r\n"),
    ],
    "second_connect_drops_subscriptions": [
        ("a", C + b"SUB foo 1\r\n"), ("b", C + b"PUB foo 1\r\nx\r\n"), ("a", C), ("b", b"PUB foo 1\r\ny\r\n"),
        ("a", b"SUB foo 1\r\n"), ("b", b"PUB foo 1\r\nz\r\n"),
    ],
    "second_connect_keeps_options": [("a", C + b'CONNECT {"name":"x"}\r\nSUB foo 1\r\n')],
    "second_connect_turns_verbose_on": [("a", C + b'CONNECT {"verbose":true}\r\nSUB foo 1\r\n')],
    "second_info_is_not_repeated": [("a", CH), ("a", CH), ("a", b"")],
    "second_connect_may_ask_for_the_info": [("a", C + b'CONNECT {"protocol":1}\r\n'), ("a", b"")],
    "second_connect_asks_for_the_info_too_late": [("a", C), ("a", b'CONNECT {"protocol":1}\r\n'), ("a", b"")],
    "credentials_that_nobody_asked_for": [
        ("a", b'CONNECT {"user":"u","pass":"p","auth_token":"t","nkey":"N","jwt":"j","sig":"s","protocol":1}\r\n'), ("a", b""),
    ],
    "connect_tls_required_changes_nothing": [("a", b'CONNECT {"tls_required":true}\r\nSUB a 1\r\n')],
    "connect_of_a_leaf_node": [("a", b'CONNECT {"import":{"allow":["a"]},"export":{},"remote_account":"x"}\r\nSUB a 1\r\n')],
    "connect_no_account": [("a", b'CONNECT {"account":"","new_account":false}\r\nSUB a 1\r\n')],
    # lines
    "mixed_case_verbs": [("a", C + b"sUb foo 1\r\npub foo 2\r\nhi\r\nPuB foo 2\r\nho\r\nuNsUb 1\r\nPub foo 2\r\nhi\r\n")],
    "spaces_and_tabs_between_arguments": [("a", C + b"SUB\t foo  \t 1 \r\nPUB \t foo   2  \r\nhi\r\nPUB foo\t2\r\nho\r\n")],
    "bare_lf": [("a", b'CONNECT {"verbose":false,"pedantic":false}\nSUB foo 1\nPUB foo 2\nhi\r\n')],
    "ping_with_rest": [("a", b"PING abc\r\nPINGX\r\nPONG hello\r\n+OK\r\n+OKAY\r\n")],
    "leading_zeros_are_echoed": [("a", C + b"SUB a 1\r\nPUB a 0000002\r\nhi\r\nPUB a r 000\r\n\r\n")],
    "info_from_client_is_ignored": [("a", C + b'INFO {"a":1}\r\n')],
    "info_of_any_kind": [("a", b'INFO {}\r\nINFO \t{"a":[1,{"b":null}],"server_id":"x"} \r\nINFO null\r\nINFO {"a":"\xff"}\r\n')],
    "verbs_in_small_letters": [
        ("a", b'connect {"headers":true}\r\nsub a 1\r\nhpub a 2 4\r\nabcd\r\npub a 0\r\n\r\nunsub 1 3\r\ninfo {}\r\n+ok\r\npong\r\nping\r\n'),
    ],
    "bare_lf_everywhere": [
        ("a", b'CONNECT {"headers":true}\nSUB a 1\nUNSUB 1 5\nHPUB a 2 4\nabcd\r\nPING\nPONG\n+OK\nINFO {}\nPUB a 1\nx\r\n'),
    ],
    "only_blanks_and_tabs_separate": [("a", C + b"SUB a\x0bb\x0cc\x00\xc2\xa0 1\r\nPUB a\x0bb\x0cc\x00\xc2\xa0 1\r\nx\r\n")],
    "cr_separates_in_sub_and_unsub": [
        ("a", C + b"SUB a\rq\r1\r\nSUB \r a 2\r\r\nPUB a 0\r\n\r\nUNSUB 1\r2\r\nUNSUB 2\r\r\n" + b"PUB a 0\r\n\r\n" * 3),
    ],
    "cr_does_not_in_pub": [
        ("a", CH + b"SUB > 9\r\nPUB a\rb 1\r\nx\r\nPUB \ra r\rx 1\r\nx\r\nHPUB a\rb 1 2\r\nxy\r\nPUB a\rb 1\r\nx\r\n"),
    ],
    "lines_that_are_ignored_may_be_long": [("a", b"PONG " + b"a" * 6000 + b"\r\n+OK " + b"b" * 6000 + b"\r\n")],
    "blanks_before_arguments_do_not_count": [("a", C + b"SUB " + b" " * 4096 + b"a 1" + b" " * 4093 + b"\r\n")],
    "sizes_of_nine_digits": [
        ("a", CH + b"SUB a 1\r\nPUB a 000000001\r\nx\r\nPUB a 000000000\r\n\r\nHPUB a 000000001 000000002\r\nxy\r\nHPUB a 0 0\r\n\r\n"),
    ],
    "order_of_one_publisher": [
        ("a", C + b"SUB a.> 1\r\nPUB a 0\r\n\r\n" * 3),
        ("b", C + b"".join(b"PUB a.%d 4\r\n%04d\r\n%b" % (i % 7, i, b"PUB a.sync 0\r\n\r\n" * (i % 97 == 0)) for i in range(4000))),
    ],
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
    "max_stays_when_the_sid_is_used_again": [("a", C + b"SUB a 1\r\nUNSUB 1 2\r\nSUB a 1\r\n" + b"PUB a 1\r\nx\r\n" * 4)],
    "max_counts_only_what_is_delivered": [
        ("a", b'CONNECT {"verbose":false,"echo":false}\r\nSUB a 1\r\nUNSUB 1 2\r\n' + b"PUB a 1\r\nx\r\n" * 3),
        ("b", C + b"PUB a 1\r\ny\r\n" * 3),
    ],
    "max_of_any_form": [
        ("a", C + b"".join(b"SUB a %d\r\nUNSUB %d %b\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\n" % (sid, sid, form) for sid, form in enumerate(
            (b"+3", b"0000000002", b"000000001", b"2x", b"9" * 20, b"1.0", b"9999999999"), 1))),
    ],
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
    "queue_sys_and_others": [("a", b"SUB a..b _sys_ 1\r\nSUB a _sys_x 2\r\nSUB a _SYS_ 3\r\n")],
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
    "verbose_hpub": [("a", b'CONNECT {"headers":true}\r\nSUB a 1\r\nHPUB a 2 4\r\nabcd\r\nPING\r\nPONG\r\nINFO {}\r\nUNSUB 9\r\n')],
    "pedantic_hpub": [
        ("a", b'CONNECT {"verbose":false,"headers":true}\r\nSUB > 1\r\nHPUB a..b 2 3\r\nabc\r\nHPUB > 2 3\r\nabc\r\nHPUB a r..r 2 3\r\nabc\r\n'
              b"PUB a> 0\r\n\r\nPUB a. 0\r\n\r\nPUB . 0\r\n\r\n"),
    ],
    "echo_on_again": [("a", C + b'CONNECT {"echo":false}\r\nSUB a 1\r\nPUB a 0\r\n\r\nCONNECT {"echo":true}\r\nSUB a 1\r\nPUB a 0\r\n\r\n')],
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
    "no_responders_not_for_others": [("a", CH + b"SUB in.x 1\r\n"), ("b", CH + b"PUB nobody in.x 0\r\n\r\n")],
    "no_responders_beside_a_queue_subscription": [("a", CH + b"SUB in.x q 1\r\nSUB in.* 2\r\nPUB nobody in.x 0\r\n\r\n")],
    "no_responders_to_any_reply": [
        ("a", CH + b"SUB in.* 2\r\nPUB nobody in.* 0\r\n\r\nPUB nobody in..x 0\r\n\r\nPUB nobody in.> 0\r\n\r\nPUB a.* in.z 0\r\n\r\nPUB no\xff in.\xff 0\r\n\r\n"),
    ],
    "no_responders_hpub": [("a", CH + b"SUB in.x 1\r\nHPUB nobody in.x 12 12\r\nNATS/1.0\r\n\r\n\r\n")],
    # reserved
    "reserved_replies": [
        ("a", b'CONNECT {"pedantic":false}\r\nPUB foo _R_.x 1\r\nx\r\nPUB foo $JS.ACK.x 1\r\nx\r\nPUB foo _GR_.a.b 1\r\nx\r\n'
              b"PUB foo _INBOX.x 1\r\nx\r\nPUB foo _R_ 1\r\nx\r\n"),
    ],
    "reserved_subjects": [
        ("a", b'CONNECT {"pedantic":false}\r\nSUB > 1\r\nPUB _GR_.a.b.c 1\r\nx\r\nPUB $GNR.x 1\r\nx\r\nPUB $GR.x 1\r\nx\r\nPUB $NRG.x 1\r\nx\r\nPUB _R_.x 1\r\nx\r\n'),
    ],
    "subjects_of_servers_are_ordinary": [
        ("a", C + b"SUB $SYS.> 1\r\nSUB $SYS.REQ.> 2\r\nSUB _INBOX.> 3\r\nSUB _R_.> 4\r\nSUB $JS.> 5\r\nSUB $NRG.> 6\r\nSUB $GNR.> 7\r\nSUB _GR_.> 8\r\n"
              b"PUB $SYS.x 0\r\n\r\nPUB $SYS.REQ.SERVER.PING 0\r\n\r\nPUB _INBOX.x 0\r\n\r\nPUB _R_.x 0\r\n\r\nPUB $JS.API.INFO 0\r\n\r\n"),
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
    "pub_with_blanks_only": b"PUB \t\r\n",
    "sub_with_blanks_only": b"SUB \r\r\n",
    "unsub_with_blanks_only": b"UNSUB \r\n",
    "hpub_with_blanks_only": CH + b"HPUB \r\n",
    "hpub_without_arguments": CH + b"HPUB\r\n",
    "connect_with_blanks_only": b"CONNECT \t \r\n",
    "vertical_tab_behind_verb": b"PUB\x0ba 1\r\n",
    "cr_behind_verb": b"SUB\ra 1\r\n",
    "cr_before_size": b"PUB a\r1\r\n",
    "cr_behind_size": b"PUB a 1\r\r\n",
    "cr_in_size": CH + b"HPUB a 1 1\r2\r\n",
    "connect_with_something_behind": b"CONNECTX\r\n",
    "connect_empty": b"CONNECT \r\n",
    "err_without_text": b"-ERR\r\n",
    "err_with_text": b"-ERR 'oops'\r\n",
    "err_with_any_text": b"-err\t\xff\r\n",
    "err_too_long": b"-ERR " + b"a" * 5000 + b"\r\n",
    "msg_from_client": b"MSG a 1 2\r\nhi\r\n",
    "rmsg_from_client": b"RMSG a\r\n",
    "lmsg_from_client": b"LMSG a\r\n",
    "subs_of_routes": b"RS+ a b\r\n",
    "account_of_routes": b"A+ a\r\n",
    "end_of_routes_sub": b"RS- a\r\n",
    "leaf_sub": b"LS+ a\r\n",
    "end_of_leaf_sub": b"LS- a\r\n",
    "end_of_account": b"A- a\r\n",
    "pub_one_argument": b"PUB foo\r\n",
    "pub_four_arguments": b"PUB a b c 5\r\n",
    "pub_size_negative": b"PUB a -1\r\n",
    "pub_size_signed": b"PUB a +1\r\n",
    "pub_size_ten_digits": b"PUB a 0000000001\r\n",
    "pub_size_hex": b"PUB a 0x1\r\n",
    "pub_size_minus_0": b"PUB a -0\r\n",
    "pub_size_with_separator": b"PUB a 1_0\r\n",
    "pub_size_in_other_digits": "PUB a \u0661\r\n".encode(),
    "pub_size_missing": b"PUB a b\r\n",
    "hpub_header_size_negative": CH + b"HPUB a -1 5\r\n",
    "hpub_header_size_ten_digits": CH + b"HPUB a 0000000001 5\r\n",
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
    "info_of_nothing": b"INFO \r\n",
    "info_without_arguments": b"INFO\r\n",
    "info_not_an_object": b"INFO [1]\r\n",
    "info_twice": b"INFO {} {}\r\n",
    "info_too_long": b'INFO {"a":"' + b"a" * 5000 + b'"}\r\n',
    "unsub_too_long": b"UNSUB " + b"1" * 5000 + b"\r\n",
    "hpub_without_headers": b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    "hpub_header_larger_than_total": CH + b"HPUB a 5 3\r\nabc\r\n",
    "hpub_two_arguments": CH + b"HPUB a 5\r\n",
    "hpub_five_arguments": CH + b"HPUB a b c 1 2\r\n",
    "hpub_too_large": CH + b"HPUB a 12 1048577\r\n",
    "hpub_bad_numbers": CH + b"HPUB a x 12\r\n",
    "hmsg_from_client": b"HMSG a 1 2 3\r\n",
    "hmsg_with_payload": CH + b"HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    "what_was_queued_is_sent_before": b"SUB foo 2\r\nPUB foo 2\r\nhi\r\nPING\r\nFOO\r\n",
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


DOCUMENTS = [
    b'{"verbose":0}', b'{"verbose":"true"}', b'{"name":1}', b'{"name":null}', b'{"lang":1}', b'{"version":1.0}', b'{"jwt":{}}', b'{"sig":1}', b'{"proxy_sig":1}',
    b'{"tls_required":1}', b'{"no_responders":"x"}', b'{"VERBOSE":1}', b'{"protocol":null}', b'{"protocol":1e0}', b'{"protocol":-0}', b'{"protocol":2147483648}',
    b'{"new_account":true}', b'{"new_account":false}', b'{"account":null}', b'{"account":"x","new_account":true}', b'{"protocol":2,"no_responders":true}',
    b"[]", b'"x"', b"1", b"true", b" { } ", b"{}{}", b'{"a":1,}', b"{'a':1}", b'{"a":NaN}', b'{"a":01}', b'{"x":' + b"9" * 400 + b"}", b'{"x":' + b"[" * 200 + b"]" * 200 + b"}",
    b'{"name":"\xff"}', b'{"\xff":1}', b'{"name":"a\x01b"}', b'{"name":"a\tb"}', b'{"name":"\\ud83d\\ude00"}', b'{"name":"\\x41"}', b'{"name":"\\u0000"}', b'{"\\u0076erbose":1}',
    b"\xef\xbb\xbf{}", b"{/*x*/}", b"\x0b{}", b"{}\x00", b'{"n\xe2\x84\xaaey":1}', b'{"xkey":1,"cid":1,"domain":1,"server":1,"tls":1}',
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each[:30].decode("latin-1"))
def test_documents_of_connect(document, duel):
    """Which of them are read, and whether the connection goes on."""
    duel([("a", Raw(b"CONNECT %b\r\nSUB a..b 1\r\n" % document)), ("a", b"")])


ODD = {  # what is said; does the connection end, at the real server and at ours?
    "message of servers without payload": (b"HMSG a 1 0 0\r\n\r\n", False, True),
    "number that no float can hold": (b'CONNECT {"x":1e999}\r\n', False, True),
    "half of a surrogate pair": (b'CONNECT {"name":"\\ud800"}\r\n', False, True),
    "wrong type, then the right one": (b'CONNECT {"verbose":1,"verbose":true}\r\n', True, False),
    "verb and a bare lf": (b"UNSUB \nSUB 1\r\n", False, True),
    "wrong type for leaf nodes": (b'CONNECT {"import":1}\r\n', True, False),
    "wrong type in INFO": (b'INFO {"port":"x"}\r\n', True, False),
    "cr, then a bare lf": (b'CONNECT {"name":\r"x"}\n', True, False),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_input_that_servers_see_differently(name, arena):
    """Listed in docs/differences.md."""
    said, *ends = ODD[name]
    for server, expected in zip(arena.pair(""), ends, strict=True):
        talk = play(server.port, [("a", Raw(said)), ("a", b"")])
        assert (talk["a"][-1] == "<EOF>") == expected


def test_pedantic_error_of_what_is_no_message(arena):
    """Listed in docs/differences.md."""
    for server, told in zip(arena.pair(""), (True, False), strict=True):
        said = play(server.port, [("a", Raw(b"CONNECT {}\r\nPUB a. 1\r\nxyz"))], ("a",))["a"]
        assert (repr(b"-ERR 'Invalid Publish Subject'") in said) is told
        assert said[-2:] == [repr(b"-ERR 'Unknown Protocol Operation'"), "<EOF>"]


def test_cr_within_a_line_with_a_bare_lf(arena):
    """Listed in docs/differences.md: the real server takes the last byte of the line for the CR."""
    for server, size in zip(arena.pair(""), (b"1", b"12"), strict=True):
        payload = b"x" * int(size)
        said = play(server.port, [("a", C + b"SUB > 1\r\nPUB a\rb 12\n%b\r\n" % payload)])["a"]
        assert repr(b"MSG a\rb 1 %b\r\n%b\r\n" % (size, payload)) in said


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


def test_copies_of_a_request_use_up_no_answers(arena):
    """Listed in docs/differences.md."""
    steps = [
        ("x", login(b"r") + b"SUB svc 1\r\nSUB svc 2\r\n"),
        ("y", login(b"a") + b"SUB in 3\r\nPUB svc in 1\r\nq\r\n"),
        ("x", b"PUB in 1\r\nx\r\n" * 3),
    ]
    for server, answers in zip(arena.pair(AUTH), (1, 2), strict=True):
        seen = play(server.port, steps)
        assert (len([each for each in seen["y"] if "MSG in" in each]), sum("-ERR" in each for each in seen["x"])) == (
            answers,
            3 - answers,
        )


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
