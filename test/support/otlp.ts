import { Effect, Schema } from "effect"
import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import protobuf from "protobufjs"

const { root } = protobuf.parse(readFileSync(new URL("otlp.proto", import.meta.url), "utf8"), { keepCase: false })

/** OTLP's JSON has 64-bit numbers as numbers or as text, and ids in hexadecimal. */
const Whole = Schema.Union([Schema.Int, Schema.FiniteFromString])
const Nanos = Schema.String.check(Schema.isPattern(/^\d{1,20}$/))
const TraceId = Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/))
const SpanId = Schema.String.check(Schema.isPattern(/^[0-9a-f]{16}$/))

const AnyValue = Schema.Union([
  Schema.Struct({ stringValue: Schema.String }),
  Schema.Struct({ intValue: Whole }),
  Schema.Struct({ doubleValue: Schema.Finite }),
  Schema.Struct({ boolValue: Schema.Boolean })
])
const Attributes = Schema.Array(Schema.Struct({ key: Schema.NonEmptyString, value: AnyValue }))
const Resource = Schema.Struct({ attributes: Attributes })
const Scope = Schema.Struct({ name: Schema.NonEmptyString })

const Span = Schema.Struct({
  traceId: TraceId,
  spanId: SpanId,
  parentSpanId: Schema.optional(SpanId),
  name: Schema.NonEmptyString,
  kind: Schema.Literals([1, 3]),
  startTimeUnixNano: Nanos,
  endTimeUnixNano: Nanos,
  attributes: Attributes,
  links: Schema.optionalKey(Schema.Array(Schema.Struct({ traceId: TraceId, spanId: SpanId }))),
  status: Schema.Struct({ code: Schema.optionalKey(Schema.Int), message: Schema.optionalKey(Schema.String) })
})
const Traces = Schema.Struct({
  resourceSpans: Schema.Array(
    Schema.Struct({
      resource: Resource,
      scopeSpans: Schema.Array(Schema.Struct({ scope: Scope, spans: Schema.Array(Span) }))
    })
  )
})

const NumberPoint = Schema.Struct({
  attributes: Schema.optionalKey(Attributes),
  startTimeUnixNano: Nanos,
  timeUnixNano: Nanos,
  asDouble: Schema.optionalKey(Schema.Finite),
  asInt: Schema.optionalKey(Whole)
})
const HistogramPoint = Schema.Struct({
  attributes: Schema.optionalKey(Attributes),
  startTimeUnixNano: Nanos,
  timeUnixNano: Nanos,
  count: Whole,
  sum: Schema.Finite,
  bucketCounts: Schema.Array(Whole),
  explicitBounds: Schema.Array(Schema.Finite)
})
const cumulative = 2
const Metric = Schema.Struct({
  name: Schema.NonEmptyString,
  description: Schema.NonEmptyString,
  unit: Schema.NonEmptyString,
  gauge: Schema.optionalKey(Schema.Struct({ dataPoints: Schema.Array(NumberPoint) })),
  sum: Schema.optionalKey(
    Schema.Struct({
      dataPoints: Schema.Array(NumberPoint),
      isMonotonic: Schema.Literal(true),
      aggregationTemporality: Schema.Literal(cumulative)
    })
  ),
  histogram: Schema.optionalKey(
    Schema.Struct({ dataPoints: Schema.Array(HistogramPoint), aggregationTemporality: Schema.Literal(cumulative) })
  )
})
const Metrics = Schema.Struct({
  resourceMetrics: Schema.Array(
    Schema.Struct({
      resource: Resource,
      scopeMetrics: Schema.Array(Schema.Struct({ scope: Scope, metrics: Schema.Array(Metric) }))
    })
  )
})

type Values = Readonly<Record<string, string | number | boolean>>

const valuesOf = (attributes: typeof Attributes.Type = []): Values =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      "stringValue" in value
        ? value.stringValue
        : "intValue" in value
          ? value.intValue
          : "doubleValue" in value
            ? value.doubleValue
            : value.boolValue
    ])
  )

export interface ReceivedSpan {
  readonly resource: Values
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | null
  readonly kind: number
  readonly durationMillis: number
  readonly attributes: Values
  readonly linkedSpanIds: ReadonlyArray<string>
  readonly isError: boolean
}

/** A point of a metric. `value` is a histogram's count. */
export interface ReceivedPoint {
  readonly resource: Values
  readonly name: string
  readonly unit: string
  readonly kind: "counter" | "gauge" | "histogram"
  readonly attributes: Values
  readonly value: number
  readonly sum: number | null
  readonly buckets: ReadonlyArray<number>
  readonly bounds: ReadonlyArray<number>
}

interface Request {
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: Buffer
}

/** The message as its JSON form has it: ids, which are bytes, in hexadecimal. */
const message = (name: string, { headers, body }: Request): unknown => {
  if (headers["content-type"] === "application/json") return JSON.parse(body.toString("utf8"))
  const type = root.lookupType(name)
  const hex = (key: string, value: unknown): unknown =>
    /(?:trace|span)Id$/i.test(key) && typeof value === "string" ? Buffer.from(value, "base64").toString("hex") : value
  const json = type.toObject(type.decode(body), { longs: String, bytes: String, arrays: false })
  return JSON.parse(JSON.stringify(json), hex)
}

const spansOf = (request: Request): ReadonlyArray<ReceivedSpan> =>
  Schema.decodeUnknownSync(Traces)(message("ExportTraceServiceRequest", request)).resourceSpans.flatMap((all) =>
    all.scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        resource: valuesOf(all.resource.attributes),
        name: span.name,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? null,
        kind: span.kind,
        durationMillis: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
        attributes: valuesOf(span.attributes),
        linkedSpanIds: (span.links ?? []).map(({ spanId }) => spanId),
        isError: span.status.code === 2
      }))
    )
  )

const pointsOf = (request: Request): ReadonlyArray<ReceivedPoint> =>
  Schema.decodeUnknownSync(Metrics)(message("ExportMetricsServiceRequest", request)).resourceMetrics.flatMap((all) =>
    all.scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap(({ name, unit, gauge, sum, histogram }) => {
        const common = { resource: valuesOf(all.resource.attributes), name, unit }
        return [
          ...[...(gauge?.dataPoints ?? []), ...(sum?.dataPoints ?? [])].map((point) => ({
            ...common,
            kind: gauge === undefined ? ("counter" as const) : ("gauge" as const),
            attributes: valuesOf(point.attributes),
            value: point.asDouble ?? point.asInt ?? 0,
            sum: null,
            buckets: [],
            bounds: []
          })),
          ...(histogram?.dataPoints ?? []).map((point) => ({
            ...common,
            kind: "histogram" as const,
            attributes: valuesOf(point.attributes),
            value: point.count,
            sum: point.sum,
            buckets: point.bucketCounts,
            bounds: point.explicitBounds
          }))
        ]
      })
    )
  )

/** The receiver's reaction to a request. */
export type Manner = "takes it" | "fails" | "says nothing"

export interface OtlpReceiver {
  readonly url: string
  readonly requests: ReadonlyArray<Request>
  readonly behave: (manner: Manner) => void
  /** Every span so far. */
  readonly spans: () => ReadonlyArray<ReceivedSpan>
  /** The points of the last export of metrics: counts are cumulative. */
  readonly points: () => ReadonlyArray<ReceivedPoint>
}

/** A server that receives OTLP/HTTP in both encodings and decodes it strictly. */
export const otlpReceiver = Effect.acquireRelease(
  Effect.callback<{ receiver: OtlpReceiver; close: () => void }>((resume) => {
    const requests: Array<Request> = []
    let manner: Manner = "takes it"
    const answer = (incoming: IncomingMessage, response: ServerResponse) => {
      const chunks: Array<Buffer> = []
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
      incoming.on("end", () => {
        requests.push({ path: incoming.url ?? "", headers: incoming.headers, body: Buffer.concat(chunks) })
        if (manner !== "says nothing") response.writeHead(manner === "fails" ? 500 : 200).end()
      })
    }
    const server = createServer(answer)
    const to = (path: string) => requests.filter((request) => request.path === path)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const receiver: OtlpReceiver = {
        url: `http://127.0.0.1:${port}`,
        requests,
        behave: (next) => {
          manner = next
        },
        spans: () => to("/v1/traces").flatMap(spansOf),
        points: () => to("/v1/metrics").slice(-1).flatMap(pointsOf)
      }
      const close = () => {
        server.closeAllConnections()
        server.close()
      }
      resume(Effect.succeed({ receiver, close }))
    })
  }),
  ({ close }) => Effect.sync(close)
).pipe(Effect.map(({ receiver }) => receiver))

/** The sum over the points of a metric that have these attributes. */
export const total = (points: ReadonlyArray<ReceivedPoint>, name: string, having: Values = {}): number =>
  points
    .filter(
      (point) => point.name === name && Object.entries(having).every(([key, value]) => point.attributes[key] === value)
    )
    .reduce((sum, { value }) => sum + value, 0)
