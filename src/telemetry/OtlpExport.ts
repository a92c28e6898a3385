import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Clock, ConfigProvider, Duration, Effect, Layer, Redacted, References, Schedule, type Scope } from "effect"
import { HttpClient } from "effect/http"
import { HttpClientError, TransportError } from "effect/http/HttpClientError"
import { OtlpExporter, OtlpMetrics, OtlpResource, OtlpSerialization, type OtlpTracer } from "effect/observability"
import { version } from "../version.ts"
import { unitAttribute } from "./Metrics.ts"
import type { EndedSpan } from "./trace.ts"

/** Where telemetry goes, and under which name. */
export interface OtlpOptions {
  /** Below it are `/v1/metrics` and `/v1/traces`. */
  readonly endpoint: string
  readonly headers: Redacted.Redacted<Readonly<Record<string, string>>>
  readonly protocol: "http/protobuf" | "http/json"
  /** How long one request may take, its answer included. */
  readonly timeout: Duration.Duration
  readonly serviceName: string
  readonly resource: Readonly<Record<string, string | number>>
}

/** So long the end of the service waits for what is left to be sent, for metrics and for traces each. */
const shutdownTimeout = Duration.seconds(1)
const spanInterval = Duration.seconds(1)
/** Nothing is placed while a request is put into words: 100 spans take JSON 1 ms, protobuf 13 ms. */
const maxSpansPerRequest = 100
/** One after another, so that a burst of placements is not held up by the spans of the first of them. */
const requestInterval = Duration.millis(25)
/** So many requests with spans wait for their answers, and so many spans for a request: memory must not grow with an outage. */
const maxRequests = 4
const maxWaiting = 10_000

/** HTTP for the exporters. */
export const OtlpHttp: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })

/** Sends the metrics of the registry in the context once an interval, and at the end. Never fails. */
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
 * Sends spans within a second or so, and at the end; returns how to hand one over, which says whether there was room for
 * it.
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

/** A metric has its unit in an attribute here; a series that is told apart by what is not there has an empty one. */
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
    // The exporters read variables of their own accord, unchecked: all that counts is in the options.
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

/** The exporter throws away what it is given for a minute after a failure: that is kept meanwhile. */
const pauseMillis = 61_000

/**
 * A client whose requests end in time whatever the receiver does, and that tells of those that fail. `canSend` says whether
 * the receiver seems to take more.
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
      // An answer that never ends is none.
      Effect.tap((response) => response.arrayBuffer),
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
  const canSend = (nowMillis: number) => requests < maxRequests && nowMillis >= pausedUntilMillis
  return { client, canSend }
})

/** A receiver that is down is no news every second. */
const quietMillis = 10 * 60_000

/** One warning, and while it goes on one in ten minutes, with how many there were. */
const makeReport = (what: string, endpoint: string) => {
  let failures = 0
  let nextMillis = 0
  return (why: string, nowMillis: number): Effect.Effect<void> => {
    failures += 1
    if (nowMillis < nextMillis) return Effect.void
    nextMillis = nowMillis + quietMillis
    const count =
      failures === 1 ? "This is said once in ten minutes" : `${failures} requests failed since this was last said`
    failures = 0
    return Effect.logWarning(
      `${what} could not be sent to ${endpoint}: ${why}. Orders are placed all the same. ${count}`
    ).pipe(Effect.provideService(References.CurrentLogAnnotations, {}))
  }
}

const reasonOf = ({ reason }: HttpClientError): string => {
  const cause = "cause" in reason ? reason.cause : undefined
  const said = cause instanceof Error ? cause.message : ""
  return said !== "" ? said : (("description" in reason ? reason.description : undefined) ?? reason._tag)
}
