import type { Definition } from "../../src/telemetry/Metrics.ts"

const withUnderscores = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, "_")

/** The series of a metric under the names that Prometheus gives them: dots, units and suffixes as its OTLP receiver has it. */
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

/** The labels of a metric, and the values they may have; null where these are not known beforehand. */
export const prometheusLabels = ({ kind, attributes }: Definition): ReadonlyMap<string, ReadonlyArray<string> | null> =>
  new Map([
    ...Object.entries(attributes).map(([name, values]) => [withUnderscores(name), values] as const),
    ...["job", "instance", ...(kind === "histogram" ? ["le"] : [])].map((name) => [name, null] as const)
  ])
