"""Payment for requests: channels, vouchers, signed requests, and the capacity they give. The wire format is x402 v2."""
