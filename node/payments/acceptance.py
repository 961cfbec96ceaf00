"""Which channels, vouchers and deposits this node takes: pure checks that raise what is wrong."""

from contracts.crypto import ZERO_ADDRESS, Address, Bytes32, InvalidSignature, recover
from contracts.x402 import ERC3009_COLLECTOR, MAX_WITHDRAW_DELAY_S, ChannelConfig, ReceiveWithAuthorization
from node.payments.errors import ChannelRefused, PaymentInvalid
from node.payments.receiver import Receiver
from node.payments.wire import Deposit, SignedVoucher


def check_config(config: ChannelConfig, receiver: Receiver) -> None:
    """The channel pays this node's vault in its token, and its payer cannot leave faster than the node can claim."""
    for field, named in (("receiver", config.receiver), ("receiverAuthorizer", config.receiver_authorizer)):
        if named != receiver.vault:
            raise ChannelRefused(f"channelConfig.{field}", f"is {named}; this node's vault is {receiver.vault}")
    if config.token != receiver.token:
        raise ChannelRefused("channelConfig.token", f"is {config.token}; this node is paid in {receiver.token}")
    delay = config.withdraw_delay
    if not receiver.min_withdraw_delay_s <= delay <= MAX_WITHDRAW_DELAY_S:
        allowed = f"{receiver.min_withdraw_delay_s} to {MAX_WITHDRAW_DELAY_S} s"
        raise ChannelRefused("channelConfig.withdrawDelay", f"is {delay} s; this node takes {allowed}")
    for field, named in (("payer", config.payer), ("payerAuthorizer", config.payer_authorizer)):
        if named == ZERO_ADDRESS:
            raise ChannelRefused(
                f"channelConfig.{field}",
                "is the zero address; name the key that signs (a smart account: a session key)",
            )


def check_voucher(signed: SignedVoucher, receiver: Receiver, field: str) -> Bytes32:
    """The channel id, once the channel is acceptable and the voucher is for it and signed by its key."""
    check_config(signed.config, receiver)
    channel_id = signed.config.channel_id(receiver.chain_id)
    if signed.voucher.channel_id != channel_id:
        raise PaymentInvalid(f"{field}.channelId", f"is not the id of channelConfig, which is 0x{channel_id.hex()}")
    digest = signed.voucher.digest(receiver.escrow_domain)
    signer = signer_of(digest, signed.signature, f"{field}.signature")
    if signer != signed.config.payer_authorizer:
        raise PaymentInvalid(
            f"{field}.signature", f"is by {signer}; the channel's payerAuthorizer is {signed.config.payer_authorizer}"
        )
    return channel_id


def check_deposit(deposit: Deposit, receiver: Receiver, now: int) -> Bytes32:
    """The channel id, once the deposit is large enough, in time and signed by the payer."""
    channel_id = check_voucher(deposit.signed, receiver, "voucher")
    if deposit.amount < receiver.min_deposit:
        raise ChannelRefused(
            "deposit.amount", f"is {deposit.amount}; the least this node relays is {receiver.min_deposit}"
        )
    field = "deposit.authorization.erc3009Authorization"
    if not deposit.valid_after <= now < deposit.valid_before:
        raise PaymentInvalid(
            field, f"holds from {deposit.valid_after} to {deposit.valid_before}; it is {now} now, sign a current one"
        )
    payer = deposit.signed.config.payer
    authorization = ReceiveWithAuthorization(
        from_=payer,
        to=ERC3009_COLLECTOR,
        value=deposit.amount,
        valid_after=deposit.valid_after,
        valid_before=deposit.valid_before,
        nonce=deposit.authorization_nonce(receiver.chain_id),
    )
    signer = signer_of(authorization.digest(receiver.token_domain), deposit.signature, f"{field}.signature")
    if signer != payer:
        raise PaymentInvalid(f"{field}.signature", f"is by {signer}, not by the payer {payer}")
    return channel_id


def signer_of(digest: bytes, signature: bytes, field: str) -> Address:
    """Who signed; PaymentInvalid if nobody can have."""
    try:
        return recover(digest, signature)
    except InvalidSignature as error:
        raise PaymentInvalid(field, str(error)) from error
