"""How a command fails: one class per exit code. Expected failures are shown without a traceback."""

from typing import ClassVar


class Failure(Exception):
    """A command could not do what was asked.

    fix: what the user can do. code: the node's error code, if a node sent one.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, fix: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.fix, self.code = fix, code


class UsageFailure(Failure):
    """The command line or the request is wrong."""

    exit_code = 2


class ConfigurationFailure(Failure):
    """The settings, the home or the machine are not as the command needs them, or no node answers."""

    exit_code = 3


class ChainFailure(Failure):
    """The chain does not answer, or refused a transaction."""

    exit_code = 4


class FundsFailure(Failure):
    """A payment was refused, or there is not enough money."""

    exit_code = 5


class ModelFailure(Failure):
    """The model or the adapter could not answer."""

    exit_code = 6


class VerificationFailure(Failure):
    """A receipt or a node failed a check: do not trust it."""

    exit_code = 7


class Unexpected(Failure):
    """A defect of this software."""

    def __init__(self, error: Exception) -> None:
        described = f"{type(error).__name__}: {error}".rstrip(": ")
        super().__init__(f"this should not have happened: {described}", "run it again with -v and report the traceback")


_CLASS_OF_CODE: dict[str, type[Failure]] = {
    "unsupported_field": UsageFailure,
    "invalid_request": UsageFailure,
    "not_found": UsageFailure,
    "not_offered": UsageFailure,
    "unauthorized": ConfigurationFailure,
    "chain_unavailable": ChainFailure,
    "settlement_unknown": ChainFailure,
    "deposit_failed": ChainFailure,
    "payment_required": FundsFailure,
    "payment_invalid": FundsFailure,
    "voucher_stale": FundsFailure,
    "nonce_used": FundsFailure,
    "request_expired": FundsFailure,
    "price_expired": FundsFailure,
    "channel_refused": FundsFailure,
}


def failure_of(code: str, message: str) -> Failure:
    """The failure for a node's error code. Codes that are not listed are about models, adapters and the engine."""
    return _CLASS_OF_CODE.get(code, ModelFailure)(message, code=code)


_EXIT_CODE_OF_CLASS = {
    "node.config.SettingsError": 3,
    "node.home.lock.HomeLocked": 3,
    "node.home.lock.HomeUnusable": 3,
    "node.process.listeners.PortInUse": 3,
    "node.process.listeners.AddressUnusable": 3,
    "node.process.descriptors.TooFewDescriptors": 3,
    "node.process.exhaustion.MachineExhausted": 3,
    "node.compose.chain_setup.NodeNotRegistered": 3,
    "node.compose.chain_setup.VaultUnusable": 3,
    "node.compose.chain_setup.VaultAmbiguous": 3,
    "node.compose.chain_setup.OperatorReplaced": 3,
    "node.compose.chain_setup.OperatorUnfunded": 5,
    "node.store.errors.StoreError": 3,
    "node.home.keystore.KeystoreError": 3,
    "node.chain.errors.ChainError": 4,
    "local_chain.errors.LocalChainError": 4,
    "node.settlement.errors.SettlementError": 4,
    "node.settlement.errors.SenderUnfunded": 5,
    "node.client.errors.ClientError": 5,
    "node.payments.errors.PaymentError": 5,
    "serving.errors.ServingError": 6,
    "node.watch.source.SourceUnavailable": 3,
    "node.watch.mirror.MirrorUnusable": 3,
    "node.watch.source.SourceMalformed": 7,
    "node.client.errors.ReceiptRefused": 7,
    "node.client.errors.DecodingError": 7,
    "node.client.errors.NodeDistrusted": 7,
}
"""Exit codes of the packages' own errors. They are listed by name: importing the classes would load the packages."""


def exit_code_of(error: Exception) -> int | None:
    """The exit code of an expected failure; None for an unexpected error."""
    if isinstance(error, Failure):
        return error.exit_code
    names = (f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__)
    return next((_EXIT_CODE_OF_CLASS[name] for name in names if name in _EXIT_CODE_OF_CLASS), None)
