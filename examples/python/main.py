"""Raises a guarantee, classifies orders, reads the margin, and is refused something. How to run it: ../README.md"""

import argparse
import pathlib
from collections.abc import Iterator

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tplus.v1 import guarantee_service_pb2 as guarantees
from tplus.v1 import guarantee_service_pb2_grpc, margin_service_pb2_grpc, order_service_pb2_grpc
from tplus.v1 import margin_service_pb2 as margins
from tplus.v1 import order_service_pb2 as orders
from tplus.v1.settlement_pb2 import SETTLEMENT_CYCLE_QUICK, SETTLEMENT_CYCLE_STANDARD

SERVICE_CONFIG = pathlib.Path(__file__).parents[2] / "proto" / "service_config.json"
MERCHANT = "python-shop"


def connect(args: argparse.Namespace) -> grpc.Channel:
    """A channel that repeats what is worth repeating, as the service config says."""
    options = [("grpc.service_config", SERVICE_CONFIG.read_text()), ("grpc.enable_retries", 1)]
    if not args.ca:
        return grpc.insecure_channel(args.server, options)  # for a server on this machine

    def read(path: str | None) -> bytes | None:
        return pathlib.Path(path).read_bytes() if path else None

    credentials = grpc.ssl_channel_credentials(read(args.ca), read(args.key), read(args.cert))
    if args.token:  # sent with every call; never without TLS
        bearer = grpc.access_token_call_credentials(args.token)
        credentials = grpc.composite_channel_credentials(credentials, bearer)
    return grpc.secure_channel(args.server, credentials, options)


def explain(error: grpc.RpcError) -> tuple[str, dict[str, str], list[str]]:
    """The reason for programs, its figures, and the fields to blame."""
    reason, figures, fields = "", {}, []
    for detail in rpc_status.from_call(error).details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason, figures = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            fields = [violation.field for violation in bad.field_violations]
    return reason, figures, fields


def completed(order_id: str, price: str) -> orders.CompletedOrder:
    return orders.CompletedOrder(merchant_id=MERCHANT, order_id=order_id, price=price)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--ca", help="PEM of who signed the server's certificate; then the connection is encrypted")
    parser.add_argument("--cert", help="PEM of the client's certificate, where the server wants one")
    parser.add_argument("--key", help="PEM of its key")
    parser.add_argument("--token", help="bearer token")
    with connect(parser.parse_args()) as channel:
        guarantee_service = guarantee_service_pb2_grpc.GuaranteeServiceStub(channel)
        order_service = order_service_pb2_grpc.OrderServiceStub(channel)
        margin_service = margin_service_pb2_grpc.MarginServiceStub(channel)

        # The request id makes it safe to repeat: the same id always gets the first answer. The deadline is for all tries together.
        raised = guarantee_service.ModifyGuarantee(
            guarantees.ModifyGuaranteeRequest(merchant_id=MERCHANT, guarantee=100, request_id="raise-1"), timeout=5
        )
        print(f"guarantee {raised.guarantee}, quota of a day {raised.receipt.quota}")
        assert (raised.guarantee, raised.receipt.quota) == ("100.00", "100.00")

        # One order. Amounts are strings: a float would lose cents.
        answer = order_service.ClassifyOrder(
            orders.ClassifyOrderRequest(merchant_id=MERCHANT, order_id="o-1", price="60.00", profit="12.50"), timeout=5
        )
        print(f"o-1 settles {answer.settles_at.ToJsonString()}")
        assert answer.cycle == SETTLEMENT_CYCLE_QUICK

        # Many orders in a call: each gets an answer or a refusal of its own.
        chunk = [completed("o-2", "40.00"), completed("o-3", "0.01"), completed("o-4", "0.001")]
        results = order_service.ClassifyOrders(orders.ClassifyOrdersRequest(orders=chunk), timeout=5).results
        assert [result.cycle for result in results[:2]] == [SETTLEMENT_CYCLE_QUICK, SETTLEMENT_CYCLE_STANDARD]
        print(f"o-4 is refused: {results[2].refusal.message}")
        assert (results[2].refusal.reason, list(results[2].refusal.fields)) == ("INVALID_FIELD", ["price"])

        # Chunk after chunk, without waiting for answers.
        def chunks() -> Iterator[orders.StreamClassifyOrdersRequest]:
            for sequence in range(3):
                of_chunk = [completed(f"s-{sequence}-{n}", "0.50") for n in range(100)]
                yield orders.StreamClassifyOrdersRequest(sequence=sequence, orders=of_chunk)

        decided = sum(len(answers.results) for answers in order_service.StreamClassifyOrders(chunks()))
        print(f"{decided} orders were decided in a stream")
        assert decided == 300

        margin = margin_service.GetMargin(margins.GetMarginRequest(merchant_id=MERCHANT), timeout=5)
        print(f"gap {margin.gap}, pending {margin.pending_total}, {margin.quota.remaining} of the quota is left")
        assert (margin.gap, margin.pending_total, margin.quota.remaining) == ("100.00", "202.51", "0.00")

        # A refusal says why, for programs.
        try:
            margin_service.Withdraw(
                margins.WithdrawRequest(merchant_id=MERCHANT, amount="10", request_id="out-1"), timeout=5
            )
            raise AssertionError("there is nothing to withdraw")
        except grpc.RpcError as error:
            reason, figures, fields = explain(error)
            print(f"{error.code().name}: {error.details()} ({reason})")
            assert (reason, figures["available"], fields) == ("INSUFFICIENT_AVAILABLE", "0.00", ["amount"])


if __name__ == "__main__":
    main()
