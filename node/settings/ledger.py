"""The settings of a paid node's ledger."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from contracts.crypto import Address, to_address


class LedgerSettings(BaseModel):
    """Which vault the node serves, how far its clock may be from the chain's, and what gas may cost."""

    vault: Annotated[str, AfterValidator(to_address)] | None = Field(
        None, description="the address of the vault that this node serves; found by the operator's key if it owns one"
    )
    clock_tolerance_s: int | None = Field(
        None,
        ge=60,
        le=2_592_000,
        description="seconds by which the clock and the newest block may differ, from 60 to 2592000",
    )
    max_gas_price_gwei: float = Field(500.0, gt=0, description="the most that the node pays per gas, in gwei, above 0")

    @property
    def vault_address(self) -> Address | None:
        """The configured vault in its EIP-55 form."""
        return Address(self.vault) if self.vault is not None else None

    @property
    def max_fee_cap(self) -> int:
        """The most that a transaction pays, in wei per gas."""
        return int(self.max_gas_price_gwei * 10**9)
