import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { reportPage } from "../../src/cli/report/reportPage.ts"
import { executionReport } from "../../src/report/executionReport.ts"
import { aTab, chromiumPath, type Tab } from "../support/chromium.ts"
import { choicesOf } from "../support/generate.ts"
import { anOrderRecord, at, generateRecord } from "../support/orderRecords.ts"

const Looks = Schema.Struct({
  scrollWidth: Schema.Number,
  background: Schema.String,
  lines: Schema.Array(Schema.String),
  drawings: Schema.Int,
  cut: Schema.Array(Schema.String)
})

/** Measures the page's width, its colours, the number of visible drawings, and texts in them that are cut. */
const look = `(() => {
  const seen = [...document.querySelectorAll("svg")].filter((svg) => svg.getBoundingClientRect().width > 0)
  const isCut = (text) => {
    const [box, frame] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()]
    return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1
  }
  return {
    scrollWidth: document.documentElement.scrollWidth,
    background: getComputedStyle(document.body).backgroundColor,
    lines: [...new Set([...seen[0].querySelectorAll("path")].map((path) => getComputedStyle(path).stroke))].sort(),
    drawings: seen.length,
    cut: seen.flatMap((svg) => [...svg.querySelectorAll("text")].filter(isCut).map((text) => text.textContent))
  }
})()`

const show = async (tab: Tab, url: string, width: number, scheme: "light" | "dark") => {
  await tab.send("Emulation.setDeviceMetricsOverride", {
    width,
    height: 800,
    deviceScaleFactor: 1,
    mobile: width < 500
  })
  await tab.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] })
  await tab.open(url)
  return Schema.decodeUnknownSync(Looks)(await tab.evaluate(look))
}

const aPage = (page: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const folder = await mkdtemp(join(tmpdir(), "pulse-page-"))
        await writeFile(join(folder, "report.html"), page)
        return folder
      }),
      (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
    ),
    (folder) => pathToFileURL(join(folder, "report.html")).href
  )

describe("the report in Chromium", () => {
  it.live.skipIf(chromiumPath === undefined)(
    `fits a phone and a desktop, in light and in dark, and loads nothing${chromiumPath === undefined ? " (skipped: no Chromium on this machine)" : ""}`,
    () =>
      Effect.gen(function* () {
        const records = [anOrderRecord(), generateRecord(choicesOf("chromium"))]
        const tab = yield* aTab(chromiumPath ?? "")
        for (const record of records) {
          const url = yield* aPage(reportPage(executionReport(record, at(3600))))
          for (const width of [360, 1280]) {
            const light = yield* Effect.promise(() => show(tab, url, width, "light"))
            const dark = yield* Effect.promise(() => show(tab, url, width, "dark"))
            assert.isAtMost(light.scrollWidth, width)
            assert.strictEqual(light.drawings, 3)
            assert.deepStrictEqual(light.cut, [])
            assert.notStrictEqual(light.background, dark.background)
            assert.notDeepEqual(light.lines, dark.lines)
            assert.isAtLeast(light.lines.length, 4)
          }
        }
        const Request = Schema.Struct({ request: Schema.Struct({ url: Schema.String }) })
        const asked = tab.events("Network.requestWillBeSent").map((event) => Schema.decodeUnknownSync(Request)(event))
        assert.deepStrictEqual(
          asked.map(({ request }) => request.url).filter((url) => !url.startsWith("file:")),
          []
        )
        assert.strictEqual(asked.length, 8)
        assert.deepStrictEqual(tab.events("Log.entryAdded"), [])
        assert.deepStrictEqual(tab.events("Runtime.exceptionThrown"), [])
      }).pipe(Effect.scoped)
  )
})
