"""The parameters that votes can change: their names, the calls that change them, and how people write them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_abi.exceptions import EncodingError

from contracts.crypto import Address, to_address
from contracts.fees import MILLION
from local_chain.deployment import Deployment
from node.chain.abi import abi_of
from node.chain.client import Call


class InvalidChange(ValueError):
    """The words do not name a change that governance can make."""


@dataclass(frozen=True, slots=True)
class Value:
    """How one argument of a change is written.

    parse: from a word of the command line, ValueError if it is none.   show: for people.
    """

    name: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. deployed_as: the field of `Deployment` with its contract.   getter: reads the present value.

    rule: what a change applies to, for the reader of a proposal. Nothing applies to what exists already.
    """

    name: str
    contract: str
    deployed_as: str
    function: str
    values: tuple[Value, ...]
    rule: str
    getter: str | None = None

    def address(self, deployment: Deployment) -> Address:
        """The contract that holds the parameter."""
        return Address(getattr(deployment, self.deployed_as))

    def call(self, deployment: Deployment, words: list[str]) -> Call:
        """The call that sets the parameter to what `words` say. Raises InvalidChange."""
        if len(words) != len(self.values):
            raise InvalidChange(f"{self.name} takes {' '.join(value.name for value in self.values) or 'no value'}")
        arguments = []
        for value, word in zip(self.values, words, strict=True):
            try:
                arguments.append(value.parse(word))
            except ValueError as error:
                raise InvalidChange(f"{value.name}: {error}") from error
        try:
            return Call(self.address(deployment), abi_of(self.contract).functions[self.function].encode(*arguments))
        except EncodingError as error:
            raise InvalidChange(f"{self.name}: {error}") from error

    def show(self, arguments: tuple[Any, ...]) -> str:
        """The arguments of a call for people."""
        return " ".join(value.show(argument) for value, argument in zip(self.values, arguments, strict=True))


@dataclass(frozen=True, slots=True)
class Change:
    """One call of a proposal. parameter: None if the call is none that this software knows."""

    call: Call
    parameter: Parameter | None
    arguments: tuple[Any, ...] = ()

    @property
    def text(self) -> str:
        """The change in one line, without the present value."""
        if self.parameter is None:
            return f"an unknown call of {self.call.to}: 0x{self.call.data.hex()}"
        return f"{self.parameter.name} → {self.parameter.show(self.arguments)}".rstrip(" →")


def change_of(call: Call, deployment: Deployment) -> Change:
    """The change that a call of a proposal makes. Calls of other contracts or functions stay unknown."""
    for parameter in PARAMETERS:
        function = abi_of(parameter.contract).functions[parameter.function]
        ours = call.to == parameter.address(deployment) and call.data[:4] == function.selector
        if ours and (arguments := function.arguments(call.data)) is not None:
            return Change(call, parameter, arguments)
    return Change(call, None)


def parameter_named(name: str) -> Parameter:
    """The parameter with this name. Raises InvalidChange that lists the names."""
    for parameter in PARAMETERS:
        if parameter.name == name:
            return parameter
    raise InvalidChange(f"{name!r} is no parameter: {', '.join(parameter.name for parameter in PARAMETERS)}")


def _whole(word: str) -> int:
    if not word.isascii() or not word.isdecimal():
        raise ValueError(f"{word!r} is not a whole number")
    return int(word)


def _ppm(word: str) -> int:
    """Parts per million from `100000`, or exactly from a percentage such as `10%` or `12.5%`."""
    if not word.endswith("%"):
        return _whole(word)
    matched = re.fullmatch(r"([0-9]+)(?:\.([0-9]{1,4}))?%", word, re.ASCII)
    if matched is None:
        raise ValueError(f"{word!r} is no percentage with at most four decimals")
    return int(matched[1]) * 10_000 + int((matched[2] or "").ljust(4, "0"))


def _show_ppm(ppm: int) -> str:
    whole, rest = divmod(ppm * 100, MILLION)
    decimals = f"{rest:06d}"[:4].rstrip("0")
    return f"{whole}.{decimals} %" if decimals else f"{whole} %"


def _bytes32(word: str) -> bytes:
    if not re.fullmatch(r"0x[0-9a-fA-F]{64}", word):
        raise ValueError(f"{word!r} is not 0x and 64 hexadecimal digits")
    return bytes.fromhex(word[2:])


def _yes(word: str) -> bool:
    if word not in ("yes", "no"):
        raise ValueError(f"{word!r} is neither yes nor no")
    return word == "yes"


PPM = Value("PPM", _ppm, _show_ppm)
ADDRESS = Value("ADDRESS", to_address, to_address)
SECONDS = Value("SECONDS", _whole, lambda seconds: f"{seconds} s")
VERSION = Value("VERSION", _whole, lambda version: f"version {version}")
DIGEST = Value("SHA256", _bytes32, lambda digest: "0x" + digest.hex())
URI = Value("URI", str, str)
YES = Value("yes|no", _yes, lambda yes: "yes" if yes else "no")

PARAMETERS = (
    Parameter(
        "treasury-ppm",
        "Settlement",
        "settlement",
        "setTreasuryPpm",
        (PPM,),
        "applies to price lists that are registered after the notice period",
        getter="treasuryPpm",
    ),
    Parameter(
        "treasury",
        "Settlement",
        "settlement",
        "setTreasury",
        (ADDRESS,),
        "receives what the treasury claims from then on",
        getter="treasury",
    ),
    Parameter(
        "stake-ratio",
        "Settlement",
        "settlement",
        "setStakeRatio",
        (PPM,),
        "applies to headers that are posted from then on: bonded stake per unclaimed OPEN",
        getter="stakeRatioPpm",
    ),
    Parameter(
        "window",
        "Settlement",
        "settlement",
        "setChallengeWindow",
        (SECONDS,),
        "applies to headers that are posted from then on: how long each can be challenged before it pays",
        getter="challengeWindow",
    ),
    Parameter(
        "token",
        "Settlement",
        "settlement",
        "setAccepted",
        (ADDRESS, YES),
        "applies to vaults that are registered from then on; vaults of the token keep working",
    ),
    Parameter(
        "pause-claims",
        "Settlement",
        "settlement",
        "pauseClaims",
        (SECONDS,),
        "stops claims for that time; posts, withdrawals and challenges go on",
        getter="pausedUntil",
    ),
    Parameter(
        "judge",
        "Challenges",
        "challenges",
        "addJudge",
        (VERSION, ADDRESS),
        "judges receipts of an attribution version that has no judge yet, after the notice period",
    ),
    Parameter(
        "serving-parameters",
        "ServingParameters",
        "serving_parameters",
        "publish",
        (DIGEST, URI),
        "is a recommendation to nodes; no contract reads it",
        getter="digest",
    ),
)
"""Every parameter. The contracts hold each of them within its bounds."""
