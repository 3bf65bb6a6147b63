"""Dapr's messages in Python, generated from sidecar/proto by `make generate`; `grpc_server` and `wire` use them.

Never import Dapr's own SDK beside them: both register the same names with protobuf.
"""
