"""Channels and laws that tests of the store share."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

T = TypeVar("T")


amounts = st.integers(0, 2**120) | st.integers(0, 20) | st.integers(2**63 - 9, 2**64 + 9)


law = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def run(session: Session, change: Callable[[Session], T]) -> T:
    """`change`, undone afterwards."""
    try:
        return change(session)
    finally:
        session.rollback()
