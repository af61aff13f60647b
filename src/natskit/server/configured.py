"""Accounts and permissions of a configuration file, as the account graph and the rest of the server know them."""

from __future__ import annotations

from natskit import graph
from natskit.server import options

__all__ = ["account_model", "account_models", "permissions_of"]


def account_models(chosen: options.Options) -> tuple[graph.Account, ...]:
    """Every account that a configuration describes, ``$G`` and the system account included."""
    models = {account.name: account_model(account) for account in chosen.accounts}
    everybody = options.Account(name=options.GLOBAL_ACCOUNT, mappings=chosen.mappings)
    models[options.GLOBAL_ACCOUNT] = account_model(everybody)
    if not chosen.system_account and not chosen.no_system_account:
        models.setdefault(options.SYSTEM_ACCOUNT, graph.Account(id=options.SYSTEM_ACCOUNT, name=options.SYSTEM_ACCOUNT))
    return tuple(models.values())


def account_model(account: options.Account) -> graph.Account:
    """One account of ``accounts {}``; its name is its id."""
    return graph.Account(
        id=account.name,
        name=account.name,
        exports=tuple(map(_export, account.exports)),
        imports=tuple(map(_import, account.imports)),
        mappings=tuple(map(_mapping, account.mappings)),
    )


def _export(export: options.Export) -> graph.Export:
    latency = export.latency
    return graph.Export(
        kind=export.kind,
        subject=export.subject,
        accounts=None if export.accounts is None else frozenset(export.accounts),
        account_token_position=export.account_token_position,
        response_type=export.response_type,
        response_threshold_s=export.response_threshold_s,
        latency=graph.Latency(subject=latency.subject, sampling=latency.sampling) if latency else None,
        allow_trace=export.allow_trace,
    )


def _import(wanted: options.Import) -> graph.Import:
    return graph.Import(
        kind=wanted.kind,
        account=wanted.account,
        subject=wanted.subject,
        local=wanted.to,
        prefix=wanted.prefix,
        share=wanted.share,
        allow_trace=wanted.allow_trace,
    )


def _mapping(mapping: options.SubjectMapping) -> graph.Mapping:
    destinations = (graph.Destination(subject=each.subject, weight=each.weight) for each in mapping.destinations)
    return graph.Mapping(source=mapping.source, destinations=tuple(destinations))


def permissions_of(permissions: options.Permissions | None) -> graph.Permissions:
    """The permissions of a user or of a block; None: everything."""
    if permissions is None:
        return graph.EVERYTHING
    responses = permissions.responses
    return graph.Permissions.compile(
        permissions.publish.allow,
        permissions.publish.deny,
        permissions.subscribe.allow,
        permissions.subscribe.deny,
        graph.Responses(responses.max_messages, responses.expires_s) if responses else None,
    )
