"""Where adapters and base models come from. The only place that talks to hubs; its clients load when first used."""
