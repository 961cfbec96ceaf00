"""Request bodies as bytes, never more of them than allowed."""

from starlette.requests import Request

from node.api.errors import BodyTooLarge


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The raw body. BodyTooLarge before it is read if its length is announced, else as soon as it grows too long."""
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
