import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtemp, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { withDatabase } from "../support/daemon.ts"
import { runMain } from "../support/processes.ts"
import { webhookServer } from "../support/webhookServer.ts"

const stocks = ["EQUITY", "EQUITY_WITH_DERIVATIVES", "EQUITY_DERIVATIVES"]
const files = {
  // Only shares, of a year that nobody has announced yet.
  shares: {
    until: "2027-12-31",
    days: [{ day: "2027-01-26", markets: stocks, sessions: [], name: "Republic Day" }]
  },
  christmas: { days: [{ day: "2026-12-25", markets: ["EQUITY"], sessions: [["09:15", "15:30"]], name: "no holiday" }] }
}

const folder = Effect.promise(async () => {
  const path = await mkdtemp(join(tmpdir(), "calendar-"))
  await Promise.all(
    Object.entries(files).map(([name, content]) => writeFile(join(path, name), JSON.stringify(content)))
  )
  return path
})

describe("the calendar commands", () => {
  it.live("import what is new, for a plan of the next year, and undo it", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const path = yield* folder
        const pulse = (...args: ReadonlyArray<string>) =>
          runMain(args, { DATABASE_URL: url, TRADING_CALENDAR: "on", PULSE_OPERATOR: "asha" })
        const order = ["--side", "BUY", "--quantity", "100", "--splits", "2", "--duration", "30"]
        const plan = (instrument: string) =>
          pulse("plan", "--instrument", instrument, ...order, "--start", "2027-01-27T10:00:00+05:30")

        const before = yield* plan("NSE:INFY")
        assert.deepStrictEqual(
          [before.code, before.output.includes('known until 2026-12-31; "calendar import FILE" adds later ones')],
          [1, true]
        )
        const imported = yield* pulse("calendar", "import", join(path, "shares"))
        assert.strictEqual(imported.code, 0, imported.output)
        for (const part of [
          "EQUITY: known until 2027-12-31, before until 2026-12-31",
          "2027-01-26  not known  closed  Republic Day  EQUITY, EQUITY_WITH_DERIVATIVES, EQUITY_DERIVATIVES",
          "COMMODITIES stays known until 2026-12-31",
          "Import 1 of the trading calendar"
        ]) {
          assert.include(imported.output, part)
        }
        assert.strictEqual((yield* plan("NSE:INFY")).code, 0)
        assert.include((yield* pulse("calendar", "show", "2027-01-26")).output, `import 1 (${join(path, "shares")})`)
        assert.strictEqual((yield* pulse("calendar", "remove", "1")).code, 0)
        assert.strictEqual((yield* plan("NSE:INFY")).code, 1)
      })
    )
  )

  it.live("refuse what contradicts, and what is no calendar, and say where files differ", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const path = yield* folder
        const { url: page } = yield* webhookServer((response) => response.end("<html>Access denied</html>"))
        const pulse = (...args: ReadonlyArray<string>) => runMain(["calendar", ...args], { DATABASE_URL: url })
        const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, part: string]> = [
          [["import", page], 1, "is not JSON"],
          [["show", "2026-12", "--market", "COMMODITIES"], 0, "2026-12-31  09:00–23:55"],
          [["check", join(path, "christmas")], 1, "2026-12-25  closed  09:15–15:30"],
          [
            ["import", join(path, "christmas")],
            1,
            "EQUITY 2026-12-25: closed by built in (Christmas), 09:15–15:30 here"
          ],
          [["import", join(path, "christmas"), "--replace", "--dry-run"], 0, "Nothing was changed"],
          [["import", join(path, "christmas"), "--replace"], 0, "Import 1 of the trading calendar"]
        ]
        for (const [args, code, part] of cases) {
          const run = yield* pulse(...args)
          assert.strictEqual(run.code, code, run.output)
          assert.include(run.output, part)
          assert.notInclude(run.output, "also-secret")
        }
      }).pipe(Effect.scoped)
    )
  )
})
