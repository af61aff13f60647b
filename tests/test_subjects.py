"""Subjects: grammar, matching, covering, overlapping and rewriting."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit import subjects
from natskit.errors import InvalidSubject
from natskit.subjects import Transform

TOKEN = st.sampled_from(["a", "b", "*"])
LITERAL_TOKEN = st.sampled_from(["a", "b"])


@st.composite
def patterns(draw):
    parts = draw(st.lists(TOKEN, min_size=1, max_size=3))
    return ".".join([*parts, ">"] if draw(st.booleans()) else parts)


LITERALS = [".".join(parts) for size in range(1, 6) for parts in itertools.product("ab", repeat=size)]


@pytest.mark.parametrize(
    "text", ["a", "a.b.c", "*", ">", "a.*.b.>", "a*b", "foo.*bar", "a>", "**", "$SYS.x", "é.ü", "a-b_c"]
)
def test_subjects_are_accepted(text):
    subjects.validate(text)
    assert subjects.is_valid(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be empty"),
        ("a..b", "empty token"),
        (".a", "empty token"),
        ("a.", "empty token"),
        ("a.>.b", 'has ">" before its end'),
        (">.a", 'has ">" before its end'),
        ("a b", "white space"),
        ("a\tb", "white space"),
    ],
)
def test_broken_subjects_are_refused_with_the_reason(text, message):
    with pytest.raises(InvalidSubject, match=message) as caught:
        subjects.validate(text)
    assert caught.value.subject == text
    assert not subjects.is_valid(text)


@pytest.mark.parametrize(
    ("pattern", "literal", "expected"),
    [
        ("a.>", "a", False),
        ("a.>", "a.b.c", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("*", "a", True),
        ("a*b", "axb", False),
        ("a*b", "a*b", True),
        ("A", "a", False),
        ("foo.*", "foo.>", True),
    ],
)
def test_matching(pattern, literal, expected):
    assert subjects.matches(pattern, literal) is expected


@given(pattern=patterns(), other=patterns())
def test_covering_and_overlapping_agree_with_the_sets_of_subjects(pattern, other):
    mine = {literal for literal in LITERALS if subjects.matches(pattern, literal)}
    theirs = {literal for literal in LITERALS if subjects.matches(other, literal)}
    # Long enough literals tell `*` and `>` apart, since patterns have at most four tokens.
    assert subjects.covers(pattern, other) == (theirs <= mine) or not theirs
    assert subjects.overlaps(pattern, other) == bool(mine & theirs)
    assert subjects.overlaps(pattern, other) == subjects.overlaps(other, pattern)


def test_wildcards_are_whole_tokens():
    assert subjects.has_wildcard("a.*")
    assert subjects.has_wildcard(">")
    assert not subjects.has_wildcard("a*.b>")
    assert subjects.is_literal("a*.b")
    assert not subjects.is_literal("a.*")
    assert not subjects.is_literal("a..b")


@pytest.mark.parametrize(
    ("source", "destination", "subject", "expected"),
    [
        ("m.a", "m.b", "m.a", "m.b"),
        ("t.*.*", "t.$2.$1", "t.1.2", "t.2.1"),
        ("t.*.*", "t.{{wildcard(2)}}.{{ Wildcard( 1 ) }}", "t.1.2", "t.2.1"),
        ("p.*", "p.{{partition(10,1)}}", "p.foo", "p.3"),
        ("p.*.*", "p.{{partition(10,1,2)}}", "p.a.b", "p.6"),
        ("q.*", "x.{{partition(7)}}", "q.a", "x.6"),
        ("lit", "x.{{partition(7)}}", "lit", "x.4"),
        ("p.*", "x.{{partition(0,1)}}", "p.a", "x.0"),
        ("s.*", "s.{{split(1,-)}}", "s.-a--b-", "s.a.b"),
        ("s.*", "{{splitfromleft(1,3)}}", "s.1234567", "123.4567"),
        ("s.*", "{{SplitFromRight(1,3)}}", "s.1234567", "1234.567"),
        ("s.*", "{{splitFromLeft(1,7)}}", "s.1234567", "1234567"),
        ("s.*", "{{slicefromleft(1,3)}}", "s.1234567890", "123.456.789.0"),
        ("s.*", "{{slicefromright(1,3)}}", "s.1234567890", "1.234.567.890"),
        ("s.*", "{{left(1,2)}}.{{right(1,2)}}", "s.abc", "ab.bc"),
        ("a.>", "b.>", "a.x.y", "b.x.y"),
        ("a.*.>", "b.$1.c.>", "a.1.x.y", "b.1.c.x.y"),
        (">", "in.>", "x.y", "in.x.y"),
        ("a.*", "b.x$1", "a.1", "b.x$1"),
        ("a.*", "b", "a.1", "b"),
        ("a.*", "b.$1", "c.1", None),
    ],
)
def test_rewriting(source, destination, subject, expected):
    transform = Transform.compile(source, destination)
    assert transform.apply(subject) == expected
    assert not transform.varies


def test_random_draws_below_its_bound_and_says_that_it_varies():
    transform = Transform.compile("a.*", "b.{{random(3)}}.$1")
    assert transform.varies
    assert transform.apply("a.x", lambda below: below - 1) == "b.2.x"
    assert transform.apply("a.x") in {"b.0.x", "b.1.x", "b.2.x"}


@pytest.mark.parametrize(
    ("source", "destination", "message"),
    [
        ("a.*", "b.{{foo(1)}}", r"unknown function in {{foo\(1\)}}"),
        ("a.*", "b.{{WILDCARD(1)}}", "unknown function"),
        ("a.*", "b.{{wildcard(2)}}", r"wildcard index out of range in {{wildcard\(2\)}}: \[2\]"),
        ("a", "b.$1", r"wildcard index out of range in \$1"),
        ("a.*", "b.{{wildcard()}}", "not enough arguments passed to the function in"),
        ("a.*", "b.{{wildcard(1,2)}}", "too many arguments passed to the function in"),
        ("a.*", "b.{{left(1,x)}}", "function argument is invalid or in the wrong format in"),
        ("a.*", "b.*", "invalid subject"),
        ("a.>", "b", "must both end"),
        ("a", "b.>", "must both end"),
        ("a..b", "c", "empty token"),
        ("a", "c..d", "invalid subject"),
        ("a", "b.{{ c.d }}", "invalid subject"),
        ("a", "b{{ }}c", "invalid subject"),
        ("a", "b.{{\r\nPING\r\n.}}", "invalid subject"),
    ],
)
def test_impossible_rewrites_are_refused(source, destination, message):
    with pytest.raises(InvalidSubject, match=message):
        Transform.compile(source, destination)


def test_imports_use_every_wildcard_and_nothing_but_wildcards():
    assert Transform.compile("ev.*.*", "my.$2.x.$1", strict=True).apply("ev.1.2") == "my.2.x.1"
    assert Transform.compile("ev.*.*", "my.*.x.*", strict=True).apply("ev.1.2") == "my.1.x.2"
    with pytest.raises(InvalidSubject, match=r"not using all of the token wildcard\(s\) in my.\$1"):
        Transform.compile("ev.*.*", "my.$1", strict=True)
    with pytest.raises(InvalidSubject, match="only mapping function allowed for import transforms"):
        Transform.compile("ev.*", "my.{{left(1,2)}}.$1", strict=True)


@pytest.mark.parametrize("source", ["ev.*.*", "$2.*.*", "{{x}}.*.$1.*"])
@pytest.mark.parametrize(
    "destination", ["my.$2.x.$1", "my.*.x.*", "$1.{{wildcard(2)}}", "$2.*", "*.$1.*", "*.{{ Wildcard( 2 ) }}.$1"]
)
@given(first=LITERAL_TOKEN, second=LITERAL_TOKEN, rest=st.lists(LITERAL_TOKEN, max_size=3))
def test_a_strict_rewrite_can_be_undone(source, destination, first, second, rest):
    tail = [".>", "".join("." + token for token in rest)] if rest else ["", ""]
    transform = Transform.compile(source + tail[0], destination + tail[0], strict=True)
    literal = source.replace("*", first, 1).replace("*", second) + tail[1]
    result = transform.apply(literal)
    assert transform.inverse().apply(result) == literal
    assert subjects.matches(transform.inverse().source, result)


def test_what_no_rewrite_gives_is_not_undone():
    assert Transform.compile("ev.*", "my.$1", strict=True).inverse().apply("other.1") is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_compiles_or_is_refused_with_our_error(source, destination):
    try:
        transform = Transform.compile(source, destination)
    except InvalidSubject:
        return
    transform.apply(source)


# ---- patterns ------------------------------------------------------------------------------------


@given(patterns(), patterns())
def test_an_intersection_matches_what_both_match(one: str, other: str) -> None:
    common = subjects.intersection(one, other)
    assert (common is not None) == subjects.overlaps(one, other)
    for literal in LITERALS:
        both = subjects.matches(one, literal) and subjects.matches(other, literal)
        assert both == (common is not None and subjects.matches(common, literal))


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("*.*", "$2.x.$1"),
        ("a.>", "b.>"),
        ("*.>", "$1.z.>"),
        ("*.*", "$1"),
        ("*.*", "p.{{partition(3,1,2)}}.$1"),
        ("*.b", "{{split(1,-)}}.c"),
        ("a.*", "{{left(1,1)}}"),
        ("*.a", "{{random(4)}}.$1"),
        ("a.b", "{{partition(5)}}"),
    ],
)
@given(pattern=patterns())
def test_the_image_of_a_pattern_matches_what_its_subjects_become(source: str, destination: str, pattern: str) -> None:
    transform = Transform.compile(source, destination)
    common = subjects.intersection(source, pattern)
    if common is None:
        return
    image = transform.image(common)
    for literal in filter(lambda each: subjects.matches(common, each), LITERALS):
        assert subjects.matches(image, transform.apply(literal) or "")
    if subjects.is_literal(common) and not transform.varies:
        assert image == transform.apply(common)
    if transform.keeps_all:
        assert transform.inverse().image(image) == common
