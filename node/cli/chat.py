"""`chat`: one question, or a conversation; tokens as they come, the receipt at the end."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.context import Context, context_of
from node.cli.money import base_units

if TYPE_CHECKING:
    from node.cli.chat_session import Session

Messages = list[dict[str, str]]


def chat(
    context: typer.Context,
    *,
    model: Annotated[str | None, typer.Argument(help="A name from GET /v1/models; the base when left out.")] = None,
    prompt: Annotated[str | None, typer.Argument(help="The question; a conversation when left out.")] = None,
    pay: Annotated[bool, typer.Option("--pay", help="Sign and pay; opens and funds a channel when needed.")] = False,
    max_cost: Annotated[str | None, typer.Option(help="Sign for no more: base units, or such as 0.01OPEN.")] = None,
    account: Annotated[str | None, typer.Option(help="Who pays; default: payer.")] = None,
    node: Annotated[str | None, typer.Option(help="The node's URL.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Output tokens at most.")] = 128,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 always takes the likeliest token.")] = 0.0,
) -> None:
    """Ask a model: one question, or a conversation until Ctrl-D."""
    from node.cli.chat_session import Sampling, Session
    from node.cli.wallet import wallet

    shared = context_of(context)
    auth = wallet(shared, account, base_units(max_cost) if max_cost else None) if pay else None
    with Session.open(shared, node, Sampling(max_tokens, temperature), auth) as session:
        name = model or session.base_name()
        question = prompt if prompt is not None or sys.stdin.isatty() else sys.stdin.read().strip()
        if question is None:
            _converse(shared, session, name)
        else:
            _turn(shared, session, name, [{"role": "user", "content": question}])


def _converse(shared: Context, session: "Session", model: str) -> None:
    messages: Messages = []
    while True:
        try:
            question = shared.console.input(f"[bold]{model}>[/bold] ").strip()
        except EOFError:
            return
        if question:
            messages.append({"role": "user", "content": question})
            messages.append({"role": "assistant", "content": _turn(shared, session, model, messages)})


def _turn(shared: Context, session: "Session", model: str, messages: Messages) -> str:
    """Ask, show, and return the answer's text."""
    stream = session.ask(model, messages)
    for piece in stream:
        if not shared.as_json:
            shared.console.out(piece, end="", highlight=False)
    reply = session.reply()
    if shared.as_json:
        shared.emit(reply.document())
    else:
        shared.console.print()
        shared.console.print(reply.table())
    return reply.text
