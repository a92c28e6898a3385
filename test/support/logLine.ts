import { Schema } from "effect"
import { reasonCodes } from "../../src/domain/model/reason.ts"

const Text = Schema.optionalKey(Schema.String)
const Millis = Schema.optionalKey(Schema.Finite)

/** A JSON log line: these fields, and none besides. */
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
  /** Of the reason that the line tells of. */
  reason_code: Schema.optionalKey(Schema.Literals(reasonCodes)),
  /** Of a broker's answer. */
  code: Text,
  kind: Text,
  its_message: Text,
  retry_at: Text,
  /** Of migrations. */
  latest_migration_id: Text,
  latest_migration_name: Text,
  cause: Text,
  /** How many lines were folded into this one, and what they were about. */
  folded: Schema.optionalKey(Schema.Int),
  order_ids: Schema.optionalKey(Schema.Array(Schema.String)),
  slice_ids: Schema.optionalKey(Schema.Array(Schema.String))
})

/** The line, or why it is none. */
export const decodeLogLine = Schema.decodeUnknownResult(Schema.fromJsonString(LogLine), {
  onExcessProperty: "error"
})
