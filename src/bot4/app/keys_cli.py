"""The options of `bot4 keys`."""

from __future__ import annotations

from typing import Annotated

import typer

from bot4.app.invoke import invoke

keys_app = typer.Typer(
    help="The operator's keys, with which releases are signed, and the tokens of the control API.",
    no_args_is_help=True,
)
token_app = typer.Typer(help="Tokens of the control API of a run.", no_args_is_help=True)
keys_app.add_typer(token_app, name="token")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@keys_app.command("new")
def keys_new(as_json: Json = False) -> None:
    """Make the key pair for releases; an existing pair is never overwritten."""
    invoke("control", "keys_new", as_json)


@token_app.command("new")
def token_new(
    role: Annotated[str, typer.Argument(help="read: may look; stop: may look, and stop everything.")],
    name: Annotated[str | None, typer.Option(help="What it is called; else as its role.")] = None,
    as_json: Json = False,
) -> None:
    """Draw a token and show it, once; only its hash is kept."""
    invoke("tokens", "new", as_json, role=role, name=name)


@token_app.command("list")
def token_list(as_json: Json = False) -> None:
    """Show names and roles of the tokens there are."""
    invoke("tokens", "list_", as_json)


@token_app.command("revoke")
def token_revoke(
    name: Annotated[str, typer.Argument(help="What it is called.")], as_json: Json = False
) -> None:
    """Take a token away; runs refuse it from their next request on."""
    invoke("tokens", "revoke", as_json, name=name)
