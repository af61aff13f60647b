"""The graph, changed step by step, against a model that is as simple as can be and knows no shortcuts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from natskit import subjects
from natskit.graph import Account, Export, Graph, Import

NAMES = ["A", "B", "C", "D"]
LITERALS = ["x", "x.a", "x.b", "y.a", "p.x.a", "x.A", "x.a.b"]

exports = st.builds(
    Export,
    kind=st.just("stream"),
    subject=st.sampled_from([">", "x.>", "x.*", "x.a", "y.*", "x"]),
    accounts=st.none() | st.frozensets(st.sampled_from(NAMES), max_size=3),
    token_required=st.sampled_from([False, False, True]),
    account_token_position=st.sampled_from([0, 0, 0, 2]),
)
imports = st.builds(
    Import,
    kind=st.just("stream"),
    account=st.sampled_from(NAMES),
    subject=st.sampled_from([">", "x.>", "x.*", "x.a", "x.A", "x.B", "y.*", "x"]),
    prefix=st.sampled_from(["", "", "p"]),
)
accounts = st.builds(
    Account,
    id=st.sampled_from(NAMES),
    exports=st.lists(exports, max_size=3).map(tuple),
    imports=st.lists(imports, max_size=3).map(tuple),
    expires=st.sampled_from([0, 0, 0, 5, 10]),
    not_before=st.sampled_from([0, 0, 0, 3]),
)
steps = st.one_of(accounts, st.sampled_from(NAMES), st.integers(0, 12))


class Model:
    """Every question is answered from the accounts alone."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.now = 0

    def in_force(self, account: Account) -> bool:
        return account.not_before <= self.now and not 0 < account.expires <= self.now

    def granted(self, importer: Account, wanted: Import) -> bool:
        exporter = self.accounts.get(wanted.account)
        if exporter is None or not self.in_force(importer) or not self.in_force(exporter):
            return False
        covering = [export for export in exporter.exports if subjects.covers(export.subject, wanted.subject)]
        if not covering:
            return False
        widest_last = sorted(
            covering, key=lambda export: sum(subjects.covers(export.subject, other.subject) for other in covering)
        )
        export = next((export for export in covering if export.subject == wanted.subject), widest_last[0])
        if export.account_token_position:
            tokens = wanted.subject.split(".")
            return len(tokens) > 1 and tokens[1] == importer.id
        if export.token_required:
            return False
        return export.accounts is None or importer.id in export.accounts

    def local(self, wanted: Import, subject: str) -> str:
        return f"{wanted.prefix}.{subject}" if wanted.prefix else subject

    def goes_round(self, importer: Account, wanted: Import) -> bool:
        seen: set[tuple[str, int]] = set()
        waiting = [wanted]
        while waiting:
            here = waiting.pop()
            exporter = self.accounts[here.account]
            for number, onward in enumerate(exporter.imports):
                if onward is wanted or (exporter.id, number) in seen or not self.granted(exporter, onward):
                    continue
                if subjects.overlaps(self.local(onward, onward.subject), here.subject):
                    if onward.account == importer.id:
                        return True
                    seen.add((exporter.id, number))
                    waiting.append(onward)
        return False

    def publish(self, account: str, subject: str) -> list[tuple[str, str]]:
        source = self.accounts.get(account)
        if source is None or not self.in_force(source):
            return []
        found = [(account, subject)]
        for importer in self.accounts.values():
            seen = set()
            for wanted in importer.imports:
                key = wanted.account, wanted.subject
                if (
                    key not in seen
                    and wanted.account == account
                    and subjects.matches(wanted.subject, subject)
                    and self.granted(importer, wanted)
                    and not self.goes_round(importer, wanted)
                ):
                    found.append((importer.id, self.local(wanted, subject)))
                seen.add(key)
        return sorted(found)


@given(st.lists(steps, min_size=1, max_size=12))
def test_graph_answers_like_the_model_after_every_change(changes: list[Account | str | int]) -> None:
    graph, model = Graph(), Model()
    live: dict[tuple[object, ...], int] = {}
    for change in changes:
        if isinstance(change, Account):
            model.accounts[change.id] = change
            done = graph.put(change)
        elif isinstance(change, str):
            model.accounts.pop(change, None)
            done = graph.remove(change)
        else:
            model.now = max(model.now, change)
            done = graph.advance(change)
        for link in done.removed:
            del live[link.route]
        for link in done.added:
            assert link.route not in live
            live[link.route] = 1
        assert set(live) == {link.route for link in graph.links}
        for name in NAMES:
            for literal in LITERALS:
                decision = graph.publish(name, literal)
                assert sorted((d.account, d.subject) for d in decision.deliveries) == model.publish(name, literal)


@given(st.lists(accounts, max_size=6))
def test_order_of_arrival_does_not_matter(everyone: list[Account]) -> None:
    distinct = {account.id: account for account in everyone}
    at_once = Graph(distinct.values())
    one_by_one = Graph()
    for account in reversed(list(distinct.values())):
        one_by_one.put(account)
    assert {link.route for link in at_once.links} == {link.route for link in one_by_one.links}
    assert at_once.next_change == one_by_one.next_change
