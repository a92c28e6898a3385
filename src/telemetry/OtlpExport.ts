import {
  ByteSize,
  Clock,
  ConfigProvider,
  Duration,
  Effect,
  Layer,
  Redacted,
  References,
  Schedule,
  type Scope
} from "effect"
import { HttpClient, HttpIncomingMessage } from "effect/http"
import { HttpClientError, TransportError } from "effect/http/HttpClientError"
import { OtlpExporter, OtlpMetrics, OtlpResource, OtlpSerialization, type OtlpTracer } from "effect/observability"
import { isPausedUntil } from "../domain/lifecycle/pause.ts"
import { wayOutHttp } from "../http/wayOut.ts"
import { isTooLong } from "../runtime/isTooLong.ts"
import { version } from "../version.ts"
import { unitAttribute } from "./Metrics.ts"
import type { EndedSpan } from "./trace.ts"

/** The receiver of the telemetry, and the name it is sent under. */
export interface OtlpOptions {
  /** The base URL of `/v1/metrics` and `/v1/traces`. */
  readonly endpoint: string
  readonly headers: Redacted.Redacted<Readonly<Record<string, string>>>
  readonly protocol: "http/protobuf" | "http/json"
  /** Time limit of one request, including its answer. */
  readonly timeout: Duration.Duration
  readonly serviceName: string
  readonly resource: Readonly<Record<string, string | number>>
}

/** How long the end of the service waits for unsent metrics and traces, for each of them. */
const shutdownTimeout = Duration.seconds(1)
const spanInterval = Duration.seconds(1)
/** Encoding a request blocks placements: 100 spans take 1 ms as JSON and 13 ms as protobuf. */
const maxSpansPerRequest = 100
/** Requests are spaced, so that the spans of a burst's first placements do not delay the others. */
const requestInterval = Duration.millis(25)
/** Limits on requests waiting for an answer, and on spans waiting for a request, so that an outage does not grow the memory. */
const maxRequests = 4
const maxWaiting = 10_000

/** The most that is read of an answer. */
const maxAnswerKibibytes = 64

/** The HTTP client of the exporters. */
export const OtlpHttp = wayOutHttp(({ telemetry }) => ({ keepAlive: true, connectTimeout: telemetry.timeout }))

/** Sends the metrics of the registry in the context in every interval, and at the end. Never fails. */
export const exportMetrics = (
  options: OtlpOptions & { readonly interval: Duration.Duration }
): Effect.Effect<void, never, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function* () {
    const { client } = yield* guardedClient("Metrics", options)
    yield* OtlpMetrics.make({
      url: `${options.endpoint}/v1/metrics`,
      resource: resourceOf(options),
      headers: Redacted.value(options.headers),
      exportInterval: options.interval,
      shutdownTimeout
    }).pipe(Effect.provideService(HttpClient.HttpClient, client), Effect.provide(exporting(options)))
  })

/**
 * Sends spans within about a second, and at the end. Returns a function that takes a span; it answers false when there is no
 * room for it.
 */
export const exportSpans = (
  options: OtlpOptions
): Effect.Effect<(span: EndedSpan) => boolean, never, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function* () {
    const { client, canSend } = yield* guardedClient("Traces", options)
    const resource = OtlpResource.make(resourceOf(options))
    const make = Effect.gen(function* () {
      const serialization = yield* OtlpSerialization.OtlpSerialization
      return yield* OtlpExporter.make({
        label: "Traces",
        url: `${options.endpoint}/v1/traces`,
        headers: Redacted.value(options.headers),
        exportInterval: spanInterval,
        maxBatchSize: maxSpansPerRequest,
        body: (spans: Array<OtlpSpan>) => [
          serialization.traces({ resourceSpans: [{ resource, scopeSpans: [{ scope, spans }] }] }),
          Effect.void
        ],
        shutdownTimeout
      })
    })
    const { push } = yield* make.pipe(
      Effect.provideService(HttpClient.HttpClient, client),
      Effect.provide(exporting(options))
    )
    const waiting: Array<EndedSpan> = []
    const send = (count: number) => {
      for (const span of waiting.splice(0, count)) push(otlpSpan(span))
    }
    yield* Effect.map(Clock.currentTimeMillis, (now) => (canSend(now) ? send(maxSpansPerRequest) : undefined)).pipe(
      Effect.repeat(Schedule.spaced(requestInterval)),
      Effect.forkScoped
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => send(waiting.length)))
    return (span) => {
      if (waiting.length >= maxWaiting) return false
      waiting.push(span)
      return true
    }
  })

const scope = { name: "pulse-background", version }

const resourceOf = ({ serviceName, resource }: OtlpOptions) => ({ serviceName, attributes: { ...resource } })

type Serialization = OtlpSerialization.OtlpSerialization["Service"]

/** Removes the attribute that carries the unit, and empty attributes, which stand for absent ones. */
const withoutMadeUp = (serialization: Serialization): Serialization => ({
  ...serialization,
  metrics: (data) => {
    for (const metric of data.resourceMetrics.flatMap(({ scopeMetrics }) =>
      scopeMetrics.flatMap((all) => all.metrics)
    )) {
      const points = metric.sum?.dataPoints ?? metric.gauge?.dataPoints ?? metric.histogram?.dataPoints ?? []
      for (const point of points) {
        point.attributes = (point.attributes ?? []).filter(
          ({ key, value }) => key !== unitAttribute && value.stringValue !== ""
        )
      }
    }
    return serialization.metrics(data)
  }
})

const exporting = ({ protocol }: OtlpOptions) =>
  Layer.mergeAll(
    OtlpExporter.layerFlusher,
    Layer.effect(
      OtlpSerialization.OtlpSerialization,
      Effect.map(OtlpSerialization.OtlpSerialization, withoutMadeUp)
    ).pipe(Layer.provide(protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf)),
    // Without this the exporters would read environment variables by themselves, unvalidated.
    ConfigProvider.layer(ConfigProvider.fromUnknown({}))
  )

type OtlpSpan = OtlpTracer.ScopeSpan["spans"][number]

const kinds = { internal: 1, client: 3 } as const
const unset = 0
const failed = 2

const otlpSpan = (span: EndedSpan): OtlpSpan => ({
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentSpanId ?? undefined,
  name: span.name,
  kind: kinds[span.kind],
  startTimeUnixNano: nanosOf(span.beganMillis),
  endTimeUnixNano: nanosOf(Math.max(span.beganMillis, span.endedMillis)),
  attributes: OtlpResource.entriesToAttributes(Object.entries(span.attributes)),
  droppedAttributesCount: 0,
  events: [],
  droppedEventsCount: 0,
  status: span.error === null ? { code: unset } : { code: failed, message: span.error },
  links: span.linkedSpanIds.map((spanId) => ({
    traceId: span.traceId,
    spanId,
    attributes: [],
    droppedAttributesCount: 0
  })),
  droppedLinksCount: 0
})

const nanosOf = (millis: number): string => String(BigInt(Math.round(millis * 1e6)))

/** The exporter discards everything for a minute after a failure, so spans are kept back for that long. */
const pauseMillis = 61_000

/**
 * An HTTP client whose requests end in time whatever the receiver does, and which logs those that fail. `canSend` says whether
 * the receiver is keeping up.
 */
const guardedClient = Effect.fnUntraced(function* (what: string, { endpoint, timeout }: OtlpOptions) {
  const http = yield* HttpClient.HttpClient
  const report = makeReport(what, endpoint)
  let requests = 0
  let pausedUntilMillis = 0
  const failed = (why: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      pausedUntilMillis = now + pauseMillis
      return report(why, now)
    })
  const client = HttpClient.transform(http, (call, request) =>
    Effect.suspend(() => {
      requests += 1
      return call
    }).pipe(
      // The body is read within the time limit too, because an answer may never end.
      Effect.tap((response) => response.arrayBuffer),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.kibibytes(maxAnswerKibibytes)),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => {
          const description = `no answer within ${Duration.format(timeout)}`
          return Effect.fail(new HttpClientError({ reason: new TransportError({ request, description }) }))
        }
      }),
      Effect.tap(({ status }) =>
        status < 400
          ? Effect.sync(() => {
              pausedUntilMillis = 0
            })
          : failed(`it answered ${status}`)
      ),
      Effect.tapError((error) => failed(reasonOf(error))),
      Effect.ensuring(
        Effect.sync(() => {
          requests -= 1
        })
      )
    )
  )
  const canSend = (nowMillis: number) =>
    requests < maxRequests && !isPausedUntil(nowMillis, pausedUntilMillis, pauseMillis)
  return { client, canSend }
})

/** Failures are logged at most this often. */
const quietMillis = 10 * 60_000

/** Logs a failure, and while they continue, one every ten minutes with their number. */
const makeReport = (what: string, endpoint: string) => {
  let failures = 0
  let nextMillis = 0
  return (why: string, nowMillis: number): Effect.Effect<void> => {
    failures += 1
    if (isPausedUntil(nowMillis, nextMillis, quietMillis)) return Effect.void
    nextMillis = nowMillis + quietMillis
    const count =
      failures === 1 ? "This is said once in ten minutes" : `${failures} requests failed since this was last said`
    failures = 0
    return Effect.logWarning(
      `${what} could not be sent to ${endpoint}: ${why}. Orders are placed all the same. ${count}`
    ).pipe(Effect.provideService(References.CurrentLogAnnotations, {}))
  }
}

const reasonOf = (error: HttpClientError): string => {
  if (isTooLong(error)) return `its answer has more than ${maxAnswerKibibytes} KiB`
  const { reason } = error
  const cause = "cause" in reason ? reason.cause : undefined
  const said = cause instanceof Error ? cause.message : ""
  return said !== "" ? said : (("description" in reason ? reason.description : undefined) ?? reason._tag)
}
