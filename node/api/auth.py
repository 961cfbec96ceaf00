"""Who may call the operator's routes."""

import hmac

from fastapi import Request

from node.api.errors import Unauthorized
from node.world import TheWorld


def operator_only(request: Request, world: TheWorld) -> None:
    """Unauthorized unless the bearer token is this node's."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), world.admin_token.encode()):
        raise Unauthorized
