"""A `grpc.aio` server that does nothing with a request: what Python's gRPC itself costs.

Prints its address and serves until it is killed.
"""

from __future__ import annotations

import grpc
import uvloop

from bench.load import METHOD, OPTIONS


async def _answer(_: bytes, __: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return b""


async def main() -> None:
    server = grpc.aio.server(options=list(OPTIONS))
    service, method = METHOD.strip("/").split("/")
    handler = grpc.unary_unary_rpc_method_handler(_answer)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
