import { Schema } from "effect"
import { reasonCodes } from "../../src/domain/model/reason.ts"

const Text = Schema.optionalKey(Schema.String)
const Millis = Schema.optionalKey(Schema.Finite)

/** A JSON log line, which has no other fields. */
const LogLine = Schema.Struct({
  timestamp: Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)),
  level: Schema.Literals(["debug", "info", "warn", "error", "fatal"]),
  message: Schema.NonEmptyString,
  worker: Schema.optionalKey(Schema.Literals(["splitter", "executor", "monitor"])),
  order_id: Text,
  slice_id: Text,
  request_id: Text,
  trace_id: Text,
  tag: Text,
  quantity: Schema.optionalKey(Schema.Int),
  lateness_millis: Millis,
  broker_order_id: Text,
  /** The code of the reason that the line reports. */
  reason_code: Schema.optionalKey(Schema.Literals(reasonCodes)),
  /** Details of a broker's answer. */
  code: Text,
  kind: Text,
  its_message: Text,
  retry_at: Text,
  /** Details of migrations. */
  latest_migration_id: Text,
  latest_migration_name: Text,
  cause: Text,
  /** The number of lines folded into this one, and the orders and slices that they concern. */
  folded: Schema.optionalKey(Schema.Int),
  order_ids: Schema.optionalKey(Schema.Array(Schema.String)),
  slice_ids: Schema.optionalKey(Schema.Array(Schema.String))
})

/** Decodes a line; fails with the reason when it is not a log line. */
export const decodeLogLine = Schema.decodeUnknownResult(Schema.fromJsonString(LogLine), {
  onExcessProperty: "error"
})
