from tests.node.payments.conftest import payer, shop

__all__ = ["payer", "shop"]
