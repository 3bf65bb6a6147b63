"""Anthropic's Messages API on the wire: bytes <-> model, pure. `providers.anthropic` brings the HTTP."""
