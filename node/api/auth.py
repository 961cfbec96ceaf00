"""Authentication of the operator's routes."""

import hmac

from fastapi import Request

from node.api.errors import Unauthorized
from node.world import TheWorld


def operator_only(request: Request, world: TheWorld) -> None:
    """A dependency that raises Unauthorized unless the request has this node's admin token as its bearer token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode("latin-1"), world.admin_token.encode()):
        raise Unauthorized
