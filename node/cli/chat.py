"""`chat`: one question or a conversation. Tokens are printed as they arrive, and the receipt after the last."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.context import Context, context_of
from node.cli.money import base_units
from node.cli.options import NodeUrl, PayingAccount

if TYPE_CHECKING:
    from node.cli.chat_session import ChatSession

Messages = list[dict[str, str]]


def chat(
    context: typer.Context,
    *,
    model: Annotated[str | None, typer.Argument(help="A model that the node serves. Default: its base model.")] = None,
    prompt: Annotated[str | None, typer.Argument(help="The question. Without it, a conversation starts.")] = None,
    pay: Annotated[
        bool, typer.Option("--pay", help="Pay for the answer. Opens and funds a channel if needed.")
    ] = False,
    max_cost: Annotated[
        str | None, typer.Option(help="The most that one answer may cost, in base units or with a unit: 0.01OPEN.")
    ] = None,
    account: PayingAccount = None,
    node: NodeUrl = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The most output tokens.")] = 128,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, help="The sampling temperature; 0 always takes the likeliest token.")
    ] = 0.0,
) -> None:
    """Ask a model one question, or hold a conversation until Ctrl-D."""
    from node.cli.chat_session import ChatSession, Sampling
    from node.cli.wallet import wallet

    shared = context_of(context)
    auth = wallet(shared, account, base_units(max_cost) if max_cost else None) if pay else None
    with ChatSession.open(shared, node, Sampling(max_tokens, temperature), auth) as session:
        name = model or session.base_name()
        question = prompt if prompt is not None or sys.stdin.isatty() else sys.stdin.read().strip()
        if question is None:
            _converse(shared, session, name)
        else:
            _turn(shared, session, name, [{"role": "user", "content": question}])


def _converse(shared: Context, session: "ChatSession", model: str) -> None:
    messages: Messages = []
    while True:
        try:
            question = shared.console.input(f"[bold]{model}>[/bold] ").strip()
        except EOFError:
            return
        if question:
            messages.append({"role": "user", "content": question})
            messages.append({"role": "assistant", "content": _turn(shared, session, model, messages)})


def _turn(shared: Context, session: "ChatSession", model: str, messages: Messages) -> str:
    """Prints the answer to the conversation so far and returns its text."""
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
