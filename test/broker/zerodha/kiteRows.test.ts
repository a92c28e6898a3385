import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { readEntries, readOrderList } from "../../../src/broker/zerodha/kiteOrders.ts"
import { eachRow } from "../../../src/broker/zerodha/kiteRows.ts"
import { readTrades } from "../../../src/broker/zerodha/kiteTrades.ts"
import { tags } from "../BrokerConformance.ts"

/** The rows of a body, or null if it is no list. */
const rowsOf = (body: string) => {
  const rows: Array<unknown> = []
  const read = Effect.runSync(Effect.result(eachRow(body, (row) => rows.push(row))))
  return Result.isSuccess(read) ? rows : null
}

const listOf = (data: unknown) => JSON.stringify({ status: "success", data })

const mebibyte = 1024 * 1024
/** A list of `row` as long as a body may be. */
const filled = (row: string, mebibytes: number) =>
  `{"status":"success","data":[${Array(Math.floor((mebibytes * mebibyte - 40) / (row.length + 1)))
    .fill(row)
    .join(",")}]}`

describe("the rows of Kite's lists", () => {
  it("are those that a JSON parser finds, whatever is in them", () => {
    const odd = ['"data":[', '\\"', "[{", "]}", ",", "\\", '"', "\u2028", "株"]
    for (const data of [
      [],
      [1],
      [null, "a,b", [], {}, [[1, 2], { a: [3, 4] }]],
      odd,
      odd.map((text) => ({ [text]: [text] }))
    ]) {
      assert.deepStrictEqual(rowsOf(listOf(data)), data)
      assert.deepStrictEqual(rowsOf(JSON.stringify({ data, status: "success" }, null, 2)), data)
    }
  })

  it("are none in anything else, which is never an empty list", () => {
    for (const body of [
      "",
      "<html>",
      "[]",
      listOf(null),
      listOf({}),
      listOf("[]"),
      '{"status":"error","data":[1]}',
      '{"data":[1]}',
      '{"status":"success","data":[1,]}',
      '{"status":"success","data":[,1]}',
      '{"status":"success","data":[1,2',
      '{"status":"success","data":[1}}',
      '{"status":"success","data":[{]]}',
      '{"status":"success","data":[1]',
      '{"status":"success","data":[1]} 2',
      '{"status":"success","data":[1],"data":[2]}',
      '{"status":"success","more":{"data":[1]}}',
      `{"status":"success","data":[${"[".repeat(64)}${"]".repeat(64)}]}`,
      listOf(["x".repeat(1_100_000)]),
      filled("1", 1)
    ]) {
      assert.isNull(rowsOf(body), body.slice(0, 100))
    }
  })

  for (const [what, row] of Object.entries({
    "order rows": JSON.stringify({
      order_id: "1",
      tag: "x",
      status: "OPEN",
      filled_quantity: 1,
      average_price: 1,
      texts: "ab ".repeat(200)
    }),
    numbers: "1",
    objects: "{}",
    words: JSON.stringify("aaaaaaaaaaaaaaaaaaaaaa ".repeat(40_000)),
    "trades of one order": '{"order_id":"1","quantity":2147483647,"average_price":99999999999.1234}'
  })) {
    it.live(`leave the process time for other work: ${what}`, () =>
      Effect.gen(function* () {
        const ours = tags("PBaaaaaaaaaaaaaaaaaa")
        const body = filled(row, 16)
        let longest = 0
        let last = process.cpuUsage()
        const note = () => {
          const { user, system } = process.cpuUsage(last)
          longest = Math.max(longest, (user + system) / 1000)
          last = process.cpuUsage()
        }
        const clock = yield* Effect.forkChild(Effect.forever(Effect.delay(Effect.sync(note), 1)))
        yield* Effect.result(readOrderList(body, ours))
        yield* Effect.result(readEntries(body))
        yield* Effect.result(readTrades(body))
        note()
        yield* Fiber.interrupt(clock)
        assert.isBelow(longest, 200)
      })
    )
  }
})
