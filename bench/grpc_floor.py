"""The floor server for gRPC: the least that a call can cost with grpc.aio on uvloop, set up as in the sidecar.

`grpc_rows` starts it as `python -m bench.grpc_floor`. Two methods take an alpha2 message, and do nothing that a product
must:

    /bench.Floor/Bytes       the request's bytes as they are
    /bench.Floor/Protobuf    decode, build the answer, encode
"""

import argparse
import gc
import os
from typing import Any, Final

import uvloop

from parley_sidecar.grpc_start import VARIABLES

SERVICE: Final = "bench.Floor"


async def same(content: bytes, _: Any) -> bytes:
    """Answer with what was asked."""
    return content


async def serve(port: int) -> None:
    """Serve until the process is told to end."""
    import grpc.aio  # noqa: PLC0415 - its environment is set first

    from parley_sidecar.grpc_server import patient_threads  # noqa: PLC0415 - as above
    from parley_sidecar.rpc import ai_pb2  # noqa: PLC0415 - as above

    async def answer(asked: ai_pb2.ConversationRequestAlpha2, _: Any) -> ai_pb2.ConversationResponseAlpha2:
        reply = ai_pb2.ConversationResponseAlpha2()
        output = reply.outputs.add()
        choice, usage = output.choices.add(), output.usage
        choice.finish_reason = "stop"
        choice.message.content = asked.inputs[0].messages[0].of_user.content[0].text
        usage.completion_tokens = usage.prompt_tokens = 1
        usage.total_tokens = 2
        return reply

    handlers = {
        "Bytes": grpc.unary_unary_rpc_method_handler(same),
        "Protobuf": grpc.unary_unary_rpc_method_handler(
            answer,
            ai_pb2.ConversationRequestAlpha2.FromString,
            ai_pb2.ConversationResponseAlpha2.SerializeToString,
        ),
    }
    with patient_threads():
        server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def main() -> None:
    """Read the port and serve, with garbage collection as the sidecar has it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    os.environ.update(VARIABLES)
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    uvloop.run(serve(chosen.port))


if __name__ == "__main__":
    main()
