import { assert, describe, it } from "@effect/vitest"
import { paint, plain } from "../../../src/cli/terminal/styledLine.ts"
import { widthOf } from "../../../src/cli/terminal/text.ts"
import { allot, frame, type View } from "../../../src/cli/top/frame.ts"
import type { Snapshot } from "../../../src/cli/top/Snapshot.ts"
import { at, now, order, slice, snapshot, workers } from "./snapshot.ts"

const view = (changed: Partial<Snapshot> = {}, more: Partial<View> = {}): View => ({
  snapshot: snapshot(changed),
  failure: null,
  selected: null,
  oldAfterMillis: 4000,
  ...more
})

const text = (shown: View, columns = 120, rows: number | null = 35): string =>
  frame(shown, { columns, rows }, now).map(plain).join("\n")

const busy: Partial<Snapshot> = {
  orders: Array.from({ length: 30 }, (_, n) => order(`o${n}`, { holdReason: "क्यों नहीं 株式会社 \u001b[31m".repeat(9) })),
  slices: [
    ...Array.from({ length: 30 }, (_, n) => slice("due", `s${n}`)),
    ...Array.from({ length: 30 }, (_, n) => slice("placed", `p${n}`)),
    slice("doubt", "d1", { stageReason: "timeout: no answer".repeat(9) }),
    slice("lost", "l1")
  ],
  workers: [...workers("host-1-aaaaaa"), ...workers("host-2-bbbbbb", { isStale: true, hold: "no token" })],
  halt: { id: 1, isHalted: true, reason: "fat finger ".repeat(30), requestedBy: "me@host", requestedAt: at(0) }
}

describe("a frame", () => {
  it("fills the screen exactly, for every size and amount of data", () => {
    for (const shown of [view(), view(busy), view({ orders: [], slices: [], workers: [] })]) {
      for (const columns of [1, 10, 40, 80, 120, 250]) {
        for (const rows of [1, 2, 3, 5, 10, 24, 60]) {
          for (const selected of [null, "order o1", "due s29", "doubt d1"]) {
            const lines = frame({ ...shown, selected }, { columns, rows }, now)
            const size = `${columns}x${rows}`
            assert.lengthOf(lines, rows, size)
            for (const line of lines) assert.isAtMost(widthOf(plain(line)), columns, size)
          }
        }
      }
    }
  })

  it("shows orders, due and placed slices, daemons and the day", () => {
    const shown = text(view())
    assert.match(shown, /^pulse-background placing {2}01:00:00 UTC {2}1970-01-01 {2}mock$/m)
    assert.match(shown, /5 scheduled {2}0 overdue {2}0 in doubt {2}1 claimed {2}1 open at the broker/)
    assert.match(shown, /orders 2 {2}value 2500000 of 5000000 {2}requests: no limit of the account/)
    assert.match(shown, /BUY NSE:RELIANCE +working +5\/10 +in 4\.5 s +250\/1000 +████▒▒▒▒░░░░░░░░ +o1/)
    assert.match(shown, /in 4\.5 s +BUY NSE:RELIANCE +100 +3 +o1/)
    assert.match(shown, /1\.0 s ago +BUY NSE:RELIANCE +2\.0 ms +COMPLETE/)
    assert.match(shown, /host-1-aaaaaa +2\.0 s +ok +0\.1\.0/)
  })

  it("shows unfinished orders before finished ones, and says what does not fit", () => {
    const shown = text(
      view({
        orders: [
          order("over", { state: "filled", nextDueAt: null }),
          ...Array.from({ length: 40 }, (_, n) => order(`o${n}`))
        ]
      }),
      120,
      24
    )
    assert.notInclude(shown, "over\n")
    assert.match(shown, /ORDERS \d+ of 41/)
    assert.match(shown, /DUE NEXT/)
    assert.match(shown, /PLACED LAST/)
    assert.match(shown, /DAEMONS/)
  })

  it("keeps the essential columns on a narrow screen", () => {
    const shown = text(view(), 40, 10)
    assert.match(shown, /BUY NSE:RELIANCE +working/)
    assert.notInclude(shown, "░")
    assert.include(shown, "q: quit")
  })

  it("begins with the reason why nothing is placed", () => {
    const live = workers("host-1-aaaaaa")
    const halt = { id: 1, isHalted: true, reason: "fat finger", requestedBy: "me@host", requestedAt: at(3_540_000) }
    const cases: ReadonlyArray<readonly [View, RegExp]> = [
      [view({ workers: [] }), /^pulse-background NO DAEMON[^]*No daemon runs: "node dist\/main\.js" starts one/],
      [view({ halt }), /^pulse-background HALTED[^]*Halted 1 m 00 s ago by me@host: fat finger \("resume" ends it\)/],
      [
        view({ workers: workers("a", { hold: "there is no Zerodha access token" }) }),
        /^pulse-background ON HOLD[^]*Placements are on hold: there is no Zerodha access token/
      ],
      [
        view({ at: at(3_599_000) }, { failure: "connection refused" }),
        /^pulse-background NO DATABASE[^]*The database has not answered for 1\.0 s, trying again\. connection refused/
      ],
      [
        view({ at: at(3_590_000) }),
        /^pulse-background NO DATABASE[^]*The database has not answered for 10 s, trying again\./
      ],
      [
        view({
          workers: live,
          limits: {
            ...snapshot().limits,
            requests: {
              today: 4999,
              cancelsToday: 0,
              perDay: 5000,
              lastMinute: 12,
              perMinute: 400,
              lastSecond: 3,
              perSecond: 10,
              blockedUntil: null,
              cappedUntil: at(3_660_000),
              cancelsCappedUntil: null
            }
          }
        }),
        /requests 4999 of 5000 {2}last minute 12 of 400 {2}last second 3 of 10[^]*used up, until 01:01:00 UTC/
      ]
    ]
    for (const [shown, expected] of cases) assert.match(text(shown), expected)
  })

  it("says what to do about a double placement, a finished order and a failed one", () => {
    const shown = view({
      orders: [
        order("o1", { holdReason: "paused by me", nextDueAt: at(3_590_000) }),
        order("o2", { state: "filled", nextDueAt: null }),
        order("o3", { holdReason: "the broker has 2 for s9", isDouble: true })
      ],
      slices: [slice("placed", "f1", { stage: "FAILED", orderId: "o2", sequenceNumber: 7 })]
    })
    const selecting = (selected: string) => text({ ...shown, selected })
    const double = selecting("order o3")
    assert.match(double, /^placed twice, mend it at the broker first: cancel what is too much by hand; the broker has/m)
    assert.match(double, /order show o3[^]*audit o3[^]*order resume o3/)
    assert.match(double, / o3 [^]* o1 [^]* o2/)
    assert.match(double, /working +5\/10 +held +250\/1000.* o1 /)
    assert.match(selecting("order o2"), /main\.js report o2\n[^]*main\.js audit o2\n/)
    assert.match(selecting("placed f1"), /main\.js slice retry o2\/7 --reason TEXT\n/)
  })

  it("shows the commands for the selected row, also after scrolling", () => {
    const all = view(busy)
    const commandsOf = (selected: string) =>
      text({ ...all, selected })
        .split("\n")
        .slice(-4, -1)
        .join("\n")
    assert.include(commandsOf("due s29"), "$ node dist/main.js slice skip s29 --reason TEXT\n")
    assert.match(text({ ...all, selected: "due s29" }), /^> /m)
    assert.include(commandsOf("order o1"), "order resume o1")
    assert.include(commandsOf("doubt d1"), "slice placed d1 BROKER_ORDER --reason TEXT")
    assert.match(
      text({ ...all, selected: "lost l1" }),
      /^its order was open when the broker's order list ceased to show it$/m
    )
    assert.include(commandsOf("lost l1"), "slice placed l1 b7 --filled N --price P --reason TEXT")
    assert.include(text(view(), 120, 35), "halt --reason TEXT")
    assert.include(text(all, 120, 35), "$ node dist/main.js resume")
  })

  it("quotes ids in commands, and keeps the columns of other rows beside a very long one", () => {
    const evil = "x;touch y;$(touch z)"
    const shown = view({
      orders: [order(evil, { instrument: "株".repeat(100_000) }), order("o2")],
      slices: [slice("lost", evil, { brokerOrderId: evil }), slice("placed", "f1", { stage: "FAILED", orderId: evil })]
    })
    const selecting = (selected: string) => text({ ...shown, selected })
    const quoted = String.raw`'x;touch y;'\$'(touch z)'`
    assert.include(selecting(`order ${evil}`), `order pause ${quoted} --reason TEXT\n`)
    assert.include(selecting(`order ${evil}`), `order cancel ${quoted}\n`)
    assert.include(selecting(`lost ${evil}`), `slice placed ${quoted} ${quoted} --filled N`)
    assert.include(selecting("placed f1"), String.raw`slice retry 'x;touch y;'\$'(touch z)/3' --reason TEXT`)
    assert.match(text(shown), /^ +BUY NSE:RELIANCE +working +5\/10 +in 4\.5 s +250\/1000.* o2$/m)
  })

  it("shows no control characters from stored text", () => {
    for (const line of frame(view(busy), { columns: 250, rows: 60 }, now)) {
      assert.notMatch(plain(line), /\p{Cc}/u)
      // oxlint-disable-next-line no-control-regex -- our own colours, and nothing else
      assert.notMatch(paint(line).replaceAll(/\u001b\[(?:0|1|2|7|31|32|33)m/g, ""), /\p{Cc}/u)
    }
  })
})

describe("allot", () => {
  it("gives each section what it needs if there is room, otherwise a title and a row, then shares the rest", () => {
    assert.deepStrictEqual(allot([3, 4], 7), [3, 4])
    assert.deepStrictEqual(allot([3, 9], 8), [3, 5])
    assert.deepStrictEqual(allot([5, 5, 5], 5), [3, 2, 0])
    assert.deepStrictEqual(allot([5, 5], 1), [0, 0])
  })
})
