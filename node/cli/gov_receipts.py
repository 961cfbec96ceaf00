"""A node's last receipts, on which the effect of a proposed change is simulated."""

from typing import TYPE_CHECKING, cast

from node.cli.context import Context

if TYPE_CHECKING:
    from attribution.batch import Item


def last_items(context: Context, node: str | None) -> "tuple[Item, ...]":
    """The receipts of a node's newest batch; none if it has no batch. Raises ConfigurationFailure if no node answers.

    The file is checked against its own root.
    """
    from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
    from node.cli.failures import VerificationFailure
    from node.cli.remote import ask, fetch, public_url

    url = public_url(context, node)
    batches = cast(list[dict[str, object]], ask(url, "GET", "/batches?limit=1")["data"])
    if not batches:
        return ()
    try:
        file = ReceiptsFile.decode(fetch(url, f"/batches/{batches[0]['epoch']}/receipts"))
    except InvalidReceiptsFile as error:
        raise VerificationFailure(f"The receipts file of {url} {error}.", "ask another node with --node") from error
    return tuple(entry.item for entry in file.entries)
