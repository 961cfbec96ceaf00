"""The paying client: it signs requests in advance, remembers channels and checks receipts.

Import its public names from `node.client.openlora`. It imports only `contracts` and httpx2, so that a dApp can pay
without installing torch.
"""
