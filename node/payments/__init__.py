"""How a request is paid for: channels, vouchers, signed requests and the capacity they give. The wire is x402 v2."""
