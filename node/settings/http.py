"""The settings of the HTTP side: what strangers may cost the node in memory, connections and time."""

from typing import Annotated

from pydantic import BaseModel, ByteSize, ConfigDict, Field

Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/?#@\s*]+)$")]


class HttpSettings(BaseModel):
    """Limits of requests and connections. Errors show a field's description as the fix."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    max_queue: int = Field(256, gt=0, description="how many requests may wait, above 0")
    request_timeout_s: float | None = Field(None, gt=0, description="seconds a request may wait, above 0")
    max_body_bytes: ByteSize = Field(ByteSize(2 << 20), gt=0, description="the largest request body, such as 2MiB")
    max_bodies_bytes: ByteSize = Field(
        ByteSize(64 << 20), gt=0, description="memory for all request bodies together, such as 64MiB"
    )
    max_connections: int = Field(1024, gt=0, description="connections that may be open at once, above 0")
    head_timeout_s: float = Field(10.0, gt=0, description="seconds for a request's head to arrive, above 0")
    body_timeout_s: float = Field(60.0, gt=0, description="seconds for a request's body to arrive, above 0")
    write_timeout_s: float = Field(60.0, gt=0, description="seconds for a client to read 64 KiB, above 0")
    keep_alive_s: float = Field(75.0, gt=0, description="seconds a connection may be idle between requests, above 0")
    max_batch_builds: int = Field(
        20, gt=0, description="batches that one address may have rebuilt for it per minute, above 0"
    )
    cors_origins: tuple[Origin, ...] = Field(
        ("*",), description="origins of web pages such as https://app.example, * for all, or nothing for none"
    )
