"""A proxy that answers the first try of every call with UNAVAILABLE, and leads the others to a server.

    stumble.py HOST:PORT    prints the address it listens on

Clients say with grpc-previous-rpc-attempts that a try is not the first one: so what gets through was repeated as a service config says.
"""

import sys
from concurrent import futures

import grpc


class Stumble(grpc.GenericRpcHandler):
    def __init__(self, server: str) -> None:
        self.channel = grpc.insecure_channel(server)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        onward = self.channel.stream_stream(details.method)

        def lead(messages, context):
            if "grpc-previous-rpc-attempts" not in dict(context.invocation_metadata()):
                context.set_trailing_metadata([("grpc-retry-pushback-ms", "10")])
                context.abort(grpc.StatusCode.UNAVAILABLE, "stumbled")
            answers = onward(messages)
            try:
                yield from answers
            except grpc.RpcError as error:
                context.set_trailing_metadata(error.trailing_metadata())
                context.abort(error.code(), error.details())

        return grpc.stream_stream_rpc_method_handler(lead)


server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[Stumble(sys.argv[1])])
print(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", flush=True)
server.start()
server.wait_for_termination()
