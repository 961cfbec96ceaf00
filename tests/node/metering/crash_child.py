"""A node's money side that works until it is killed; prints a line for every receipt it handed out.

Run as `python -m tests.node.metering.crash_child URL FIRST_REQUEST`.
"""

import asyncio
import json
import os
import sys

from contracts.fees import usage_fee
from node.payments.errors import ChannelUnknown
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import PRICES, RECEIVER, Shop, ended, open_shop

FEE = usage_fee(PRICES, 10, 0, 10)
FUNDS = 10**30


async def serve(shop: Shop, payer: Payer, number: int) -> None:
    """One request; every fifth is given up."""
    admission = await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=number * FEE), f"r{number}")
    if number % 5 == 0:
        await shop.payments.release(admission.request_id)
        return
    issued = await shop.metering.record(admission, ended(output_tokens=number % 11), prompt=b"", output=b"", now=NOW)
    line = {"id": issued.receipt_id.hex(), "signature": issued.signature.hex(), "fee": issued.receipt.fee}
    os.write(1, json.dumps(line).encode() + b"\n")


async def main(url: str, first: int) -> None:
    payer = Payer(RECEIVER, nonce=first * 1000)
    async with open_shop(url) as shop:
        try:
            await shop.channel(payer)
        except ChannelUnknown:
            await shop.funded(payer, FUNDS)
        number = first
        while True:
            await asyncio.gather(*(serve(shop, payer, number + i) for i in range(8)))
            number += 8


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
