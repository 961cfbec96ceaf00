"""Request bodies as bytes, up to a limit."""

from starlette.requests import Request

from node.api.errors import BodyTooLarge


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Reads the raw body. Raises BodyTooLarge from its announced length, or as soon as it exceeds the limit."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    parts: list[bytes] = []
    total = 0
    async for part in request.stream():
        total += len(part)
        if total > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        parts.append(part)
    return b"".join(parts)
