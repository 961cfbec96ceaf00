"""Which channels, vouchers and deposits this node accepts: pure checks that raise what is wrong."""

from contracts.crypto import ZERO_ADDRESS, Address, Bytes32, InvalidSignature, recover
from contracts.encoding import to_hex
from contracts.payment import SignedDeposit, SignedVoucher
from contracts.x402 import MAX_WITHDRAW_DELAY_S, ChannelConfig
from node.payments.errors import ChannelRefused, PaymentInvalid
from node.payments.receiver import Receiver


def check_config(config: ChannelConfig, receiver: Receiver) -> None:
    """Checks that the channel pays this node's vault in its token, and that its withdrawal delay leaves time to claim.

    ChannelRefused names the field that does not fit.
    """
    for field, named in (("receiver", config.receiver), ("receiverAuthorizer", config.receiver_authorizer)):
        if named != receiver.vault:
            raise ChannelRefused(f"channelConfig.{field}", f"is {named}; this node's vault is {receiver.vault}")
    if config.token != receiver.token:
        raise ChannelRefused("channelConfig.token", f"is {config.token}; this node is paid in {receiver.token}")
    delay = config.withdraw_delay
    if not receiver.min_withdraw_delay_s <= delay <= MAX_WITHDRAW_DELAY_S:
        allowed = f"{receiver.min_withdraw_delay_s} to {MAX_WITHDRAW_DELAY_S} s"
        raise ChannelRefused("channelConfig.withdrawDelay", f"is {delay} s; this node accepts {allowed}")
    for field, named in (("payer", config.payer), ("payerAuthorizer", config.payer_authorizer)):
        if named == ZERO_ADDRESS:
            raise ChannelRefused(
                f"channelConfig.{field}",
                "is the zero address; name the key that signs (for a smart account: a session key)",
            )


def check_voucher(signed: SignedVoucher, receiver: Receiver, field: str) -> Bytes32:
    """The channel id of an acceptable channel whose voucher is for it and signed by its `payerAuthorizer`.

    `field` is the path of the voucher in the payload, for errors. ChannelRefused or PaymentInvalid otherwise.
    """
    check_config(signed.config, receiver)
    channel_id = signed.config.channel_id(receiver.chain_id)
    if signed.voucher.channel_id != channel_id:
        raise PaymentInvalid(f"{field}.channelId", f"is not the id of channelConfig, which is {to_hex(channel_id)}")
    digest = signed.voucher.digest(receiver.escrow_domain)
    signer = signer_of(digest, signed.signature, f"{field}.signature")
    if signer != signed.config.payer_authorizer:
        raise PaymentInvalid(
            f"{field}.signature", f"is by {signer}; the channel's payerAuthorizer is {signed.config.payer_authorizer}"
        )
    return channel_id


def check_deposit(deposit: SignedDeposit, receiver: Receiver, now: int) -> Bytes32:
    """The channel id of a deposit that is large enough, valid at `now` (unix seconds) and signed by the payer.

    ChannelRefused or PaymentInvalid otherwise.
    """
    channel_id = check_voucher(deposit.voucher, receiver, "voucher")
    if deposit.amount < receiver.min_deposit:
        raise ChannelRefused(
            "deposit.amount", f"is {deposit.amount}; the least this node relays is {receiver.min_deposit}"
        )
    field = "deposit.authorization.erc3009Authorization"
    if not deposit.valid_after <= now < deposit.valid_before:
        raise PaymentInvalid(
            field, f"is valid from {deposit.valid_after} to {deposit.valid_before}; it is {now} now: sign a current one"
        )
    payer = deposit.voucher.config.payer
    digest = deposit.authorization(receiver.chain_id).digest(receiver.token_domain)
    signer = signer_of(digest, deposit.signature, f"{field}.signature")
    if signer != payer:
        raise PaymentInvalid(f"{field}.signature", f"is by {signer}, not by the payer {payer}")
    return channel_id


def signer_of(digest: bytes, signature: bytes, field: str) -> Address:
    """The address that signed `digest`; PaymentInvalid, about `field`, if no key can have made the signature."""
    try:
        return recover(digest, signature)
    except InvalidSignature as error:
        raise PaymentInvalid(field, str(error)) from error
