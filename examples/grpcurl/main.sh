#!/usr/bin/env bash
# Raises a guarantee, classifies orders, reads the margin, and is refused something. How to run it: ../README.md
set -euo pipefail

# For an encrypted connection: FLAGS="-cacert ca.pem -cert client.pem -key client.key" and, with a token,
# FLAGS+=" -H authorization:Bearer\ $TOKEN".
read -ra flags <<<"${FLAGS:--plaintext}"
server=${SERVER:-127.0.0.1:50051}
grpcurl=${GRPCURL:-grpcurl}
merchant=grpcurl-shop

# The server describes itself, so no proto files are needed. -max-time is the deadline; grpcurl repeats nothing by itself, and
# the request ids make it safe to call again.
call() { "$grpcurl" "${flags[@]}" -max-time 5 -d "$2" "$server" "tplus.v1.$1"; }

expect() {
    local answer
    answer=$(cat)
    for words in "$@"; do
        grep -qF "$words" <<<"$answer" || { echo "no $words in: $answer" >&2; exit 1; }
    done
    echo "$answer"
}

call GuaranteeService/ModifyGuarantee '{"merchant_id":"'$merchant'","guarantee":100,"request_id":"raise-1"}' |
    expect '"guarantee": "100.00"' '"quota": "100.00"'

# One order. Amounts are strings: a JSON number would lose cents.
call OrderService/ClassifyOrder '{"merchant_id":"'$merchant'","order_id":"o-1","price":"60.00","profit":"12.50"}' |
    expect '"cycle": "SETTLEMENT_CYCLE_QUICK"'

# Many orders in a call: each gets an answer or a refusal of its own.
call OrderService/ClassifyOrders '{"orders":[
        {"merchant_id":"'$merchant'","order_id":"o-2","price":"40.00"},
        {"merchant_id":"'$merchant'","order_id":"o-3","price":"0.01"},
        {"merchant_id":"'$merchant'","order_id":"o-4","price":"0.001"}]}' |
    expect '"cycle": "SETTLEMENT_CYCLE_QUICK"' '"cycle": "SETTLEMENT_CYCLE_STANDARD"' '"reason": "INVALID_FIELD"'

# Chunk after chunk: one message after the other in the input.
call OrderService/StreamClassifyOrders '
    {"sequence":1,"orders":[{"merchant_id":"'$merchant'","order_id":"s-1","price":"0.50"}]}
    {"sequence":2,"orders":[{"merchant_id":"'$merchant'","order_id":"s-2","price":"0.50"}]}' |
    expect '"sequence": "1"' '"sequence": "2"'

call MarginService/GetMargin '{"merchant_id":"'$merchant'"}' |
    expect '"gap": "100.00"' '"pendingTotal": "53.51"' '"remaining": "0.00"'

# A refusal says why, for programs. grpcurl ends with 64 and the status code; 9 is FAILED_PRECONDITION.
code=0
refused=$(call MarginService/Withdraw '{"merchant_id":"'$merchant'","amount":"10","request_id":"out-1"}' 2>&1) || code=$?
[[ $code == 73 ]] || { echo "exit code $code: $refused" >&2; exit 1; }
expect '"reason":"INSUFFICIENT_AVAILABLE"' '"available":"0.00"' '"field":"amount"' <<<"$refused"
