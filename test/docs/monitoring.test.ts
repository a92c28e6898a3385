import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { type Definition, definitions } from "../../src/telemetry/Metrics.ts"
import { orderTrace } from "../../src/telemetry/trace.ts"
import { prometheusLabels, prometheusNames } from "../support/prometheus.ts"

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")
const page = read("doc/guides/monitoring.md")

const Panel = Schema.Struct({
  title: Schema.String,
  targets: Schema.optionalKey(Schema.Array(Schema.Struct({ expr: Schema.String })))
})
const dashboard = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ panels: Schema.Array(Panel) })))(
  read("deploy/monitoring/grafana-dashboard.json")
)

/** The expression of each alert rule: the rest of its line, or the lines that are indented below. */
const alertExpressions = [
  ...read("deploy/monitoring/prometheus-alerts.yaml").matchAll(
    /- alert: (\w+)\n\s+expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)/g
  )
].map(([, title = "", below, beside]) => ({ title, expr: below ?? beside ?? "" }))

const expressions = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr }))),
  ...alertExpressions
]

const byName = new Map(
  definitions.flatMap((definition) => prometheusNames(definition).map((name) => [name, definition]))
)
const metricNames = /\b(?:pulse|db)_[a-z_]+/g

/** The metrics of an expression with their selectors. */
const readings = (expr: string) =>
  [...expr.matchAll(/\b((?:pulse|db_client)_[a-z_]+)(?:\{([^}]*)\})?/g)].filter(
    ([, name = ""]) => name !== "db_operation_name"
  )

const selectors = (text: string) =>
  [...text.matchAll(/([a-z_]+)\s*(=~|!=|=)\s*"([^"]*)"/g)].map(([, label = "", , values = ""]) => ({ label, values }))

describe("doc/guides/monitoring.md", () => {
  it("lists exactly the defined metrics, with kind, unit, attributes and meaning", () => {
    const rows = [
      ...page.matchAll(/^\| `([a-z_.]+)`\s*\| (counter|gauge|histogram)\s*\| `([^`]+)`\s*\| (.*?)\s*\| (.*?)\s*\|$/gm)
    ]
    const row = ({ name, kind, unit, attributes, description }: Definition) => [
      name,
      kind,
      unit,
      Object.keys(attributes)
        .map((key) => `\`${key}\``)
        .join(", "),
      `${description}.`
    ]
    assert.deepStrictEqual(
      rows.map(([, ...cells]) => cells),
      definitions.map(row)
    )
  })

  it("shows a command that computes the trace id of an order correctly", () => {
    const [, command = "", shown = ""] = /^\$ (printf .*)\n([0-9a-f]{32})$/m.exec(page) ?? []
    assert.strictEqual(execFileSync("sh", ["-c", command], { encoding: "utf8" }).trim(), shown)
    assert.strictEqual(orderTrace("o1", "t1735228800a1b2c3d4e5f6", { _tag: "All" }).traceId, shown)
  })

  it("uses metric names as Prometheus has them", () => {
    for (const [name] of page.matchAll(metricNames)) {
      assert.isTrue(
        [...byName.keys()].some((known) => known === name || known.startsWith(`${name}_`)),
        name
      )
    }
  })
})

describe("deploy/monitoring", () => {
  it("has exactly the files that the guide links to", () => {
    const linked = [...page.matchAll(/deploy\/monitoring\/([\w.-]+)/g)].map(([, name = ""]) => name)
    assert.sameMembers([...new Set(linked)], readdirSync(new URL("../../deploy/monitoring", import.meta.url)))
  })

  it("uses only metrics, labels and values that are sent, in the dashboard and the alerts", () => {
    assert.isAtLeast(dashboard.panels.length, 20)
    assert.isAtLeast(alertExpressions.length, 15)
    for (const { title, expr } of expressions) {
      const found = readings(expr)
      assert.isAtLeast(found.length, 1, `${title}: ${expr}`)
      const labels = new Set<string>()
      for (const [, name = "", selector = ""] of found) {
        const definition = byName.get(name)
        if (definition === undefined) return assert.fail(`${title}: no metric is ${name}`)
        const known = prometheusLabels(definition)
        for (const label of known.keys()) labels.add(label)
        for (const { label, values } of selectors(selector)) {
          assert.isTrue(known.has(label), `${title}: ${name} has no label ${label}`)
          const possible = known.get(label)
          for (const value of values.split("|")) {
            assert.isTrue(!possible || value === "" || possible.includes(value), `${title}: ${label} is never ${value}`)
          }
        }
      }
      for (const [, grouping = ""] of expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)) {
        for (const label of grouping.split(/\s*,\s*/)) assert.isTrue(labels.has(label), `${title}: by ${label}`)
      }
    }
  })

  it("uses the statement names of the stores", () => {
    const sources = readdirSync(new URL("../../src/stores", import.meta.url), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => read(`src/stores/${name}`))
    const named = expressions
      .flatMap(({ expr }) => selectors(expr))
      .filter(({ label }) => label === "db_operation_name")
    assert.isAtLeast(named.length, 1)
    for (const name of named.flatMap(({ values }) => values.split("|"))) {
      assert.isTrue(
        sources.some((source) => source.includes(`"${name}"`)),
        name
      )
    }
  })
})
