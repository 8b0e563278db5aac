// Raises a guarantee, classifies orders, reads the margin, and is refused something. How to run it: ../README.md

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { load as loadGoogle } from "google-proto-files";

import type { ProtoGrpcType as Guarantees } from "./generated/guarantee_service";
import type { ProtoGrpcType as Margins } from "./generated/margin_service";
import type { ProtoGrpcType as Orders } from "./generated/order_service";
import type { ClassifyOrderResponse__Output as Classified } from "./generated/tplus/v1/ClassifyOrderResponse";
import type { ClassifyOrdersResponse__Output as ManyClassified } from "./generated/tplus/v1/ClassifyOrdersResponse";
import type { GetMarginResponse__Output as Margin } from "./generated/tplus/v1/GetMarginResponse";
import type { ModifyGuaranteeResponse__Output as GuaranteeModified } from "./generated/tplus/v1/ModifyGuaranteeResponse";
import type { StreamClassifyOrdersResponse__Output as Answers } from "./generated/tplus/v1/StreamClassifyOrdersResponse";

const PROTO = fileURLToPath(new URL("../../proto", import.meta.url));
const MERCHANT = "typescript-shop";

const { values: flags } = parseArgs({
  options: {
    server: { type: "string" },
    ca: { type: "string" }, // PEM of who signed the server's certificate; then the connection is encrypted
    cert: { type: "string" }, // PEM of the client's certificate, where the server wants one
    key: { type: "string" }, // PEM of its key
    token: { type: "string" }, // bearer token
  },
});

const server = flags.server ?? "127.0.0.1:50051";

function credentials(): grpc.ChannelCredentials {
  if (!flags.ca) return grpc.credentials.createInsecure(); // for a server on this machine
  const read = (path?: string) => (path ? readFileSync(path) : null);
  const encrypted = grpc.credentials.createSsl(read(flags.ca), read(flags.key), read(flags.cert));
  if (!flags.token) return encrypted;
  const bearer = new grpc.Metadata(); // sent with every call; never without TLS
  bearer.set("authorization", `Bearer ${flags.token}`);
  return grpc.credentials.combineChannelCredentials(
    encrypted,
    grpc.credentials.createFromMetadataGenerator((_, done) => done(null, bearer)),
  );
}

/** Makes a call with one answer. */
function unary<T>(start: (done: grpc.requestCallback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, answer) => (answer ? resolve(answer) : reject(error))));
}

/** A deadline, for all tries of a call together. */
const within = (seconds: number): grpc.CallOptions => ({ deadline: Date.now() + seconds * 1_000 });

/** The reason of an error for programs, its figures, and the fields to blame. */
async function explain(error: grpc.ServiceError) {
  const types = await loadGoogle("google/rpc/error_details.proto");
  const status = (await loadGoogle("google/rpc/status.proto")).lookupType("google.rpc.Status");
  const bytes = error.metadata.get("grpc-status-details-bin")[0];
  const { details } = status.toObject(status.decode(new Uint8Array(bytes as Buffer))) as { details: { type_url: string; value: Uint8Array }[] };
  const found = (name: string) => {
    const detail = details.find((detail) => detail.type_url.endsWith(`/${name}`));
    const type = types.lookupType(name);
    return detail && type.toObject(type.decode(detail.value));
  };
  const info = found("google.rpc.ErrorInfo");
  const bad = found("google.rpc.BadRequest");
  const fields: string[] = bad?.fieldViolations.map((violation: { field: string }) => violation.field) ?? [];
  return { reason: info?.reason as string, figures: info?.metadata as Record<string, string>, fields };
}

const files = ["guarantee", "margin", "order"].map((name) => `tplus/v1/${name}_service.proto`);
const loaded = loadSync(files, { includeDirs: [PROTO], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true });
const { v1 } = (grpc.loadPackageDefinition(loaded) as unknown as Guarantees & Margins & Orders).tplus;

// The channel repeats what is worth repeating, as the service config says.
const options = { "grpc.service_config": readFileSync(`${PROTO}/service_config.json`, "utf8"), "grpc.enable_retries": 1 };
const guaranteeService = new v1.GuaranteeService(server, credentials(), options);
const orderService = new v1.OrderService(server, credentials(), options);
const marginService = new v1.MarginService(server, credentials(), options);

const completed = (order_id: string, price: string) => ({ merchant_id: MERCHANT, order_id, price });

// The request id makes it safe to repeat: the same id always gets the first answer.
const raise = { merchant_id: MERCHANT, guarantee: 100, request_id: "raise-1" };
const raised = await unary<GuaranteeModified>((done) => guaranteeService.modifyGuarantee(raise, within(5), done));
console.log(`guarantee ${raised.guarantee}, quota of a day ${raised.receipt?.quota}`);
assert.deepEqual([raised.guarantee, raised.receipt?.quota], ["100.00", "100.00"]);

// One order. Amounts are strings: a number would lose cents.
const order = { ...completed("o-1", "60.00"), profit: "12.50" };
const answer = await unary<Classified>((done) => orderService.classifyOrder(order, within(5), done));
console.log(`o-1 settles ${new Date(Number(answer.settles_at?.seconds) * 1_000).toISOString()}`);
assert.equal(answer.cycle, "SETTLEMENT_CYCLE_QUICK");

// Many orders in a call: each gets an answer or a refusal of its own.
const chunk = [completed("o-2", "40.00"), completed("o-3", "0.01"), completed("o-4", "0.001")];
const many = await unary<ManyClassified>((done) => orderService.classifyOrders({ orders: chunk }, within(5), done));
const [first, second, third] = many.results ?? [];
assert.deepEqual([first?.cycle, second?.cycle], ["SETTLEMENT_CYCLE_QUICK", "SETTLEMENT_CYCLE_STANDARD"]);
console.log(`o-4 is refused: ${third?.refusal?.message}`);
assert.deepEqual([third?.refusal?.reason, third?.refusal?.fields], ["INVALID_FIELD", ["price"]]);

// Chunk after chunk, without waiting for answers.
const stream = orderService.streamClassifyOrders();
for (let sequence = 0; sequence < 3; sequence++) {
  const orders = Array.from({ length: 100 }, (_, n) => completed(`s-${sequence}-${n}`, "0.50"));
  stream.write({ sequence, orders });
}
stream.end();
let decided = 0;
for await (const answers of stream as AsyncIterable<Answers>) decided += answers.results.length;
console.log(`${decided} orders were decided in a stream`);
assert.equal(decided, 300);

const margin = await unary<Margin>((done) => marginService.getMargin({ merchant_id: MERCHANT }, within(5), done));
console.log(`gap ${margin.gap}, pending ${margin.pending_total}, ${margin.quota?.remaining} of the quota is left`);
assert.deepEqual([margin.gap, margin.pending_total, margin.quota?.remaining], ["100.00", "202.51", "0.00"]);

// A refusal says why, for programs.
const withdrawal = { merchant_id: MERCHANT, amount: "10", request_id: "out-1" };
try {
  await unary((done) => marginService.withdraw(withdrawal, within(5), done));
  assert.fail("there is nothing to withdraw");
} catch (error) {
  if (error instanceof assert.AssertionError) throw error;
  const { reason, figures, fields } = await explain(error as grpc.ServiceError);
  console.log(`${(error as grpc.ServiceError).details} (${reason})`);
  assert.deepEqual([reason, figures.available, fields], ["INSUFFICIENT_AVAILABLE", "0.00", ["amount"]]);
}

for (const service of [guaranteeService, orderService, marginService]) service.close();
