"""The strings that answers carry, with their patterns."""

from typing import Annotated

from pydantic import Field

Amount = Annotated[str, Field(pattern=r"^[0-9]+$", description="base units of the asset, in decimal")]
Hex = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]*$", description="bytes in hex")]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="RFC 3339, in UTC")]
