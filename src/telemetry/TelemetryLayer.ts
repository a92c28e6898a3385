import { Clock, Context, Duration, Effect, Layer, Metric, Option } from "effect"
import { Configuration } from "../config/Configuration.ts"
import { Instance } from "../runtime/Instance.ts"
import { metrics } from "./Metrics.ts"
import { exportMetrics, exportSpans, OtlpHttp, type OtlpOptions } from "./OtlpExport.ts"
import { makeRecorder } from "./Recorder.ts"
import { silent, Telemetry } from "./Telemetry.ts"
import type { Sampler } from "./trace.ts"
import { makeTraceRecorder } from "./TraceRecorder.ts"

type Settings = Configuration["Service"]["telemetry"]

const samplerOf = ({ sampler, samplerShare }: Settings): Sampler =>
  sampler.endsWith("traceidratio")
    ? { _tag: "Share", share: samplerShare }
    : { _tag: sampler.endsWith("always_on") ? "All" : "None" }

const optionsOf = (settings: Settings, endpoint: string, instance: Instance["Service"]): OtlpOptions => {
  const { "service.name": givenName, ...given } = settings.resourceAttributes
  return {
    endpoint,
    headers: settings.headers,
    protocol: settings.protocol,
    timeout: settings.timeout,
    serviceName: Option.getOrElse(settings.serviceName, () => givenName ?? "pulse-background"),
    resource: {
      "service.version": instance.version,
      "service.instance.id": instance.id,
      "host.name": instance.hostname,
      "process.pid": instance.pid,
      ...given
    }
  }
}

/**
 * Metrics and traces over OTLP, configured by the OTEL_* variables; silent without OTEL_EXPORTER_OTLP_ENDPOINT. The rest is sent
 * when the layer closes, or dropped after a second. It must be below every layer that records something.
 */
export const TelemetryLayer: Layer.Layer<never, never, Configuration> = Layer.effect(
  Telemetry,
  Effect.gen(function* () {
    const { telemetry: settings, databasePoolSize } = yield* Configuration
    if (settings.isDisabled || Option.isNone(settings.endpoint)) return silent
    const options = optionsOf(settings, settings.endpoint.value, yield* Instance)
    const clock = yield* Clock.Clock
    const registry: Metric.MetricRegistry = new Map()
    const context = Context.make(Metric.MetricRegistry, registry)
    const sampler = samplerOf(settings)

    if (settings.exportsMetrics) {
      yield* exportMetrics({ ...options, interval: settings.metricInterval }).pipe(
        Effect.provideService(Metric.MetricRegistry, registry)
      )
    }
    const tracing = settings.exportsTraces && sampler._tag !== "None"
    const take = tracing ? yield* exportSpans(options) : null
    const dropped = metrics.spansDropped.series()
    const traces =
      take === null
        ? null
        : makeTraceRecorder(sampler, (span) => {
            if (!take(span)) dropped.updateUnsafe(1, context)
          })

    yield* Effect.logInfo(
      `Telemetry goes to ${options.endpoint} as ${options.serviceName}: ` +
        `${settings.exportsMetrics ? `metrics every ${Duration.format(settings.metricInterval)}` : "no metrics"}, ` +
        `${tracing ? "traces" : "no traces"}`
    )
    return makeRecorder({
      context,
      monotonicMillis: () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6,
      poolSize: databasePoolSize,
      traces
    })
  })
).pipe(Layer.provide([Instance.layer, OtlpHttp]))
