import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { withDatabase } from "../support/daemon.ts"
import { runMain } from "../support/processes.ts"

describe("the freeze commands", () => {
  it.live("import a file, refuse what looks wrong, and are kept by the next plan", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "pulse-freeze-"))),
          (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
        )
        const environment = {
          DATABASE_URL: url,
          BROKER_TYPE: "zerodha",
          ZERODHA_API_KEY: "key",
          TRADING_CALENDAR: "off"
        }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        const importing = (content: string, ...flags: ReadonlyArray<string>) => {
          const file = join(folder, "qtyfreeze.csv")
          writeFileSync(file, content)
          return pulse("freeze", "import", file, ...flags)
        }
        const order = ["--side", "BUY", "--quantity", "3600", "--splits", "2", "--duration", "30"]
        const plan = (instrument: string) =>
          pulse("plan", "--instrument", instrument, ...order, "--start", "2026-12-01T10:00:00+05:30")
        assert.include((yield* plan("NFO:RELIANCE26DECFUT")).output, "The freeze limit of RELIANCE is not known")

        const published = "\uFEFFS.No. ,SYMBOL ,VOL_FRZ_QTY\r\n1 ,NIFTY , 1700 \r\n2 ,RELIANCE ,1500\r\n"
        const tried = yield* importing(published, "--since", "2026-12-01", "--dry-run")
        assert.include(tried.output, "nothing was changed: 1 new, 1 changed, 0 as before")
        assert.strictEqual((yield* plan("NFO:NIFTY26DECFUT")).code, 0)
        const stored = yield* importing(published, "--since", "2026-12-01", "--as", "Asha")
        assert.strictEqual(stored.code, 0, stored.output)
        assert.include(stored.output, "NFO:NIFTY since 2026-12-01: 1800 → 1700")
        const refused = yield* plan("NFO:NIFTY26DECFUT")
        assert.include(refused.output, "(1700 is the exchange's freeze limit of an order of NIFTY (since 2026-12-01);")
        assert.strictEqual((yield* plan("NFO:RELIANCE26DECFUT")).code, 1)

        const small = yield* importing("exchange,underlying,quantity\nNFO,NIFTY,169\n", "--since", "2026-12-02")
        assert.deepStrictEqual([small.code, small.output.includes("1700 → 169")], [1, true])
        const replaced = yield* pulse(
          "freeze",
          "set",
          "nfo:nifty",
          "169",
          "--since",
          "2026-12-02",
          "--replace",
          "--json"
        )
        assert.strictEqual(replaced.code, 0, replaced.output)
        const bad = yield* importing("exchange,underlying,quantity\nNFO,NIFTY,x\nNSE,INFY,5\n")
        assert.match(bad.output, /Nothing was changed\.\nline 2: [^]*\nline 3: /)
        const shown = yield* pulse("freeze", "show", "NIFTY")
        assert.match(shown.output, /NFO:NIFTY +1700 +2026-12-01 +qtyfreeze\.csv [^\n]*Asha/)
        assert.match(shown.output, /NFO:NIFTY +169 +2026-12-02 +freeze set /)
        assert.strictEqual((yield* pulse("freeze", "show", "NOTHING")).code, 1)
        assert.match((yield* pulse("actions")).output, /freeze set[^]*freeze import/)
      }).pipe(Effect.scoped)
    )
  )
})
