"""Groups of settings that `node.config` puts together: each names its fields, defaults and help."""
