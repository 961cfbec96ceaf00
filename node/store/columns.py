"""Column types for money, hashes and addresses, and arithmetic on money inside SQL.

Amounts are uint128, wider than SQLite's 64-bit integers. PostgreSQL keeps them as NUMERIC(39, 0); SQLite as decimal
text of exactly 39 digits, whose order as text is the order of the numbers. `plus`, `minus_or_zero`, `least` and
`largest` compile to operators on PostgreSQL and to functions that `connections.py` registers on SQLite.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, Numeric, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine

from contracts.crypto import Address, Bytes32, to_address

AMOUNT_DIGITS = 39


class Amount(TypeDecorator[int]):
    """A uint128 of token base units."""

    impl = Numeric(AMOUNT_DIGITS, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column type of this database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(AMOUNT_DIGITS))
        return dialect.type_descriptor(Numeric(AMOUNT_DIGITS, 0))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | Decimal | None:
        """The value as the database stores it. Raises ValueError if it does not fit."""
        if value is None:
            return None
        if not 0 <= value < 1 << 128:
            raise ValueError(f"{value} is not a uint128")
        return amount_text(value) if dialect.name == "sqlite" else Decimal(value)

    def process_result_value(self, value: str | Decimal | None, dialect: Dialect) -> int | None:
        """The value as Python uses it."""
        return None if value is None else int(value)


class Word(TypeDecorator[Bytes32]):
    """32 bytes: a hash, an id, a salt, or a uint256 in big-endian order."""

    impl = LargeBinary(32)
    cache_ok = True

    def process_bind_param(self, value: Bytes32 | None, dialect: Dialect) -> bytes | None:
        """The value as the database stores it. Raises ValueError if it does not fit."""
        if value is not None and len(value) != 32:
            raise ValueError(f"expected 32 bytes, got {len(value)}")
        return value

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Bytes32 | None:
        """The value as Python uses it."""
        return None if value is None else Bytes32(bytes(value))


class AccountAddress(TypeDecorator[Address]):
    """An account address in its EIP-55 form, which is unique per account and so comparable as text."""

    impl = String(42)
    cache_ok = True

    def process_bind_param(self, value: Address | None, dialect: Dialect) -> str | None:
        """The value as the database stores it. Raises ValueError if it does not fit."""
        return None if value is None else to_address(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Address | None:
        """The value as Python uses it."""
        return None if value is None else Address(value)


class Count(TypeDecorator[int]):
    """Unix seconds, sequence numbers and token counts: uint64 values in Solidity, below 2^63 in practice."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column type of this database."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())


class Blob(TypeDecorator[bytes]):
    """Bytes of any length."""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """The value as Python uses it."""
        return None if value is None else bytes(value)


class Text64(TypeDecorator[str]):
    """A short name or id."""

    impl = String(64)
    cache_ok = True


class plus(GenericFunction[int]):
    """The sum of amounts."""

    type = Amount()
    inherit_cache = True
    name = "openlora_plus"


class minus_or_zero(GenericFunction[int]):
    """a − b, or 0 where b is larger."""

    type = Amount()
    inherit_cache = True
    name = "openlora_minus_or_zero"


class least(GenericFunction[int]):
    """The smallest of the amounts."""

    type = Amount()
    inherit_cache = True
    name = "openlora_least"


class largest(GenericFunction[int]):
    """The largest of the amounts."""

    type = Amount()
    inherit_cache = True
    name = "openlora_largest"


@compiles(plus, "postgresql")
def _plus_postgresql(element: plus, compiler: SQLCompiler, **kw: Any) -> str:
    return "(" + " + ".join(_each(element, compiler, **kw)) + ")"


@compiles(minus_or_zero, "postgresql")
def _minus_postgresql(element: minus_or_zero, compiler: SQLCompiler, **kw: Any) -> str:
    return "GREATEST(" + " - ".join(_each(element, compiler, **kw)) + ", 0)"


@compiles(least, "postgresql")
def _least_postgresql(element: least, compiler: SQLCompiler, **kw: Any) -> str:
    return "LEAST(" + ", ".join(_each(element, compiler, **kw)) + ")"


@compiles(least, "sqlite")
def _least_sqlite(element: least, compiler: SQLCompiler, **kw: Any) -> str:
    return "min(" + ", ".join(_each(element, compiler, **kw)) + ")"


@compiles(largest, "postgresql")
def _largest_postgresql(element: largest, compiler: SQLCompiler, **kw: Any) -> str:
    return "GREATEST(" + ", ".join(_each(element, compiler, **kw)) + ")"


@compiles(largest, "sqlite")
def _largest_sqlite(element: largest, compiler: SQLCompiler, **kw: Any) -> str:
    return "max(" + ", ".join(_each(element, compiler, **kw)) + ")"


def _each(element: GenericFunction[int], compiler: SQLCompiler, **kw: Any) -> list[str]:
    clauses: list[ColumnElement[Any]] = list(element.clauses)
    return [compiler.process(clause, **kw) for clause in clauses]


def amount_text(value: int) -> str:
    """An amount as SQLite stores it."""
    return f"{value:0{AMOUNT_DIGITS}d}"


def add_amount_texts(*amounts: str) -> str:
    """`plus` on SQLite. Raises on overflow, which aborts the statement."""
    total = sum(map(int, amounts))
    if total >= 1 << 128:
        raise OverflowError("sum of amounts exceeds uint128")
    return amount_text(total)


def subtract_amount_texts(left: str, right: str) -> str:
    """`minus_or_zero` on SQLite."""
    return amount_text(max(int(left) - int(right), 0))
