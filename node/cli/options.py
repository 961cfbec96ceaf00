"""Options that several verbs share."""

from typing import Annotated

import typer

NodeUrl = Annotated[str | None, typer.Option("--node", help="The node's URL. Default: the node of this home.")]
PayingAccount = Annotated[
    str | None, typer.Option("--account", help="The paying account: a name in this home. Default: payer.")
]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, help="The most output tokens.")]
PageSize = Annotated[int, typer.Option("--limit", min=1, max=100, help="How many receipts to list.")]
