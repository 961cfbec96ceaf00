"""The paid part of a node, for routes that exist only where serving is paid."""

from node.api.errors import NotOffered
from node.world import Paid, World


def paid_part(world: World, what: str) -> Paid:
    """What a paid node has and a free one lacks. Raises NotOffered on a free node; `what` names the missing thing."""
    if world.paid is None:
        raise NotOffered(what)
    return world.paid
