"""The contract that operator and sidecar share: the component resource, its checks, its wire form, every name.

Imports pydantic and PyYAML and nothing else, so that both halves can afford it.
"""

__version__ = "0.1.0"
