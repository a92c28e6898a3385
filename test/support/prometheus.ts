import type { Definition } from "../../src/telemetry/Metrics.ts"

const withUnderscores = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, "_")

/** The names of a metric's series in Prometheus, with dots, units and suffixes as its OTLP receiver maps them. */
export const prometheusNames = ({ kind, name, unit }: Definition): ReadonlyArray<string> => {
  const full = `${withUnderscores(name)}${unit === "s" ? "_seconds" : ""}`
  switch (kind) {
    case "counter":
      return [`${full}_total`]
    case "gauge":
      return [full]
    case "histogram":
      return [`${full}_bucket`, `${full}_sum`, `${full}_count`]
  }
}

/** The labels of a metric with their possible values; null where these are not known in advance. */
export const prometheusLabels = ({ kind, attributes }: Definition): ReadonlyMap<string, ReadonlyArray<string> | null> =>
  new Map([
    ...Object.entries(attributes).map(([name, values]) => [withUnderscores(name), values] as const),
    ...["job", "instance", ...(kind === "histogram" ? ["le"] : [])].map((name) => [name, null] as const)
  ])
