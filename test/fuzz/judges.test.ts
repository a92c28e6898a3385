import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { meaningOf } from "../../fuzz/areas/answerMeaning.ts"
import { wrongMeaning, wrongWords } from "../../fuzz/areas/answers.ts"
import { nameOf, placesOf, rowsIn } from "../../fuzz/areas/bookReading.ts"
import { readArguments } from "../../fuzz/arguments.ts"
import { choicesOf } from "../../fuzz/choicesOf.ts"
import { type RowEnd, wrongEnd, wrongNeighbour } from "../../fuzz/rows/judgeRow.ts"
import { wrongWords as wrongLines } from "../../fuzz/rows/judgeWords.ts"
import { generateRow, type RowInput } from "../../fuzz/rows/RowInput.ts"
import { BrokerOutcomeUnknown, BrokerRefused, BrokerTryLater } from "../../src/domain/model/BrokerError.ts"

const now = 1_764_000_000_000

const row: RowInput = {
  writer: "pulse-api",
  isRefusable: false,
  isPlain: true,
  columns: {
    id: "o1",
    instrument: "NSE:INFY",
    side: "BUY",
    total_quantity: 10,
    num_splits: 2,
    duration_minutes: 0,
    randomize: false
  }
}

const slice = (sequence: number) => ({
  order_id: "o1",
  sequence,
  tag: `T${sequence}`,
  instrument: "NSE:INFY",
  side: "BUY",
  quantity: 5,
  order_type: "MARKET",
  limit_price: null,
  stage: "PROCESSED",
  stage_reason: null,
  scheduled: now,
  planned: now
})

const placed = (sequence: number) => ({
  tag: `T${sequence}`,
  instrument: "NSE:INFY",
  side: "BUY",
  quantity: 5,
  orderType: "MARKET",
  limitPrice: null,
  placed: now + 5,
  exposed: 5
})

const order = {
  id: "o1",
  status: "DONE",
  reason: null,
  reason_code: null,
  total_quantity: 10,
  limit_price: null,
  created: now,
  is_stopped: false
}

const right: RowEnd = {
  order,
  slices: [slice(1), slice(2)],
  placed: [placed(1), placed(2)],
  readMillis: now + 60_000
}

describe("the judge of rows", () => {
  it("accuses nobody of what is right", () => {
    assert.isNull(wrongEnd(row, right, false))
    assert.isNull(wrongNeighbour(right, true))
  })

  const failed = { ...order, status: "FAILED", reason: "side: Expected", reason_code: "invalid_order" }
  const withColumns = (columns: Readonly<Record<string, unknown>>): RowInput => ({
    ...row,
    isPlain: false,
    columns: { ...row.columns, ...columns }
  })
  const wrong: ReadonlyArray<readonly [string, RowInput, RowEnd, RegExp]> = [
    ["a row that is never split", row, { ...right, order: { ...order, status: "PENDING" } }, /stays PENDING/],
    ["a failure without a reason", row, { ...right, order: { ...order, status: "FAILED" } }, /without a reason/],
    ["a plain row that fails", row, { ...right, order: failed, slices: [], placed: [] }, /nothing is wrong with it/],
    ["an error that nobody foresaw", row, { ...right, order: { ...failed, reason_code: "internal_error" } }, /foresaw/],
    ["an invalid row that is split", withColumns({ side: "buy" }), right, /must not be, for its side/],
    ["a fraction that is split", withColumns({ total_quantity: 10.5 }), right, /for its total_quantity/],
    ["an id with shell text", withColumns({ id: "x;touch y" }), right, /for its id/],
    ["a row that arrived DONE", withColumns({ order_queue_status: "DONE" }), right, /arrived DONE and was split/],
    ["a slice too few", row, { ...right, slices: [slice(1)] }, /1 slices, not 2/],
    ["slices of too much", row, { ...right, slices: [slice(1), { ...slice(2), quantity: 6 }] }, /have 11, not 10/],
    ["a slice of the other side", row, { ...right, slices: [slice(1), { ...slice(2), side: "SELL" }] }, /else/],
    ["a slice before the window", row, { ...right, slices: [slice(1), { ...slice(2), scheduled: now - 9 }] }, /window/],
    ["two orders for a slice", row, { ...right, placed: [placed(1), placed(2), placed(2)] }, /placed 2 times/],
    ["a lost placement", row, { ...right, placed: [placed(1)] }, /not at the broker/],
    ["an early placement", row, { ...right, placed: [placed(1), { ...placed(2), placed: now - 9 }] }, /9 ms too early/],
    ["too much at the broker", row, { ...right, placed: [placed(1), { ...placed(2), exposed: 6 }] }, /11 are filled/],
    ["another quantity at the broker", row, { ...right, placed: [placed(1), { ...placed(2), quantity: 4 }] }, /differ/]
  ]
  for (const [what, input, end, expected] of wrong) {
    it(`accuses ${what}`, () => assert.match(wrongEnd(input, end, false) ?? "", expected))
  }

  it("accuses what harms a neighbour", () => {
    const late = { ...right, placed: [placed(1), { ...placed(2), placed: now + 1500 }] }
    assert.match(wrongNeighbour(late, true) ?? "", /1500 ms late/)
    assert.isNull(wrongNeighbour(late, false))
    assert.match(wrongNeighbour({ ...right, placed: [placed(1)] }, false) ?? "", /1 of its 2/)
    assert.match(wrongNeighbour({ ...right, order: failed }, false) ?? "", /FAILED/)
  })

  it("accuses what the service says about itself, shows raw or gives away", () => {
    const line = (fields: object) => JSON.stringify({ level: "error", message: "m", ...fields })
    const said = (...lines: ReadonlyArray<string>) => wrongLines({ lines, bodies: [] }).length
    assert.strictEqual(said(line({ order_id: "o1" })), 0)
    assert.strictEqual(said(line({ message: "A tick failed" })), 1)
    assert.strictEqual(said(line({ order_id: "o1", reason_code: "internal_error" })), 1)
    assert.strictEqual(said(line({ order_id: "\u202e" })), 1)
    assert.strictEqual(said(line({ order_id: "PLANTED-access-token" })), 1)
    assert.strictEqual(wrongLines({ lines: [], bodies: [JSON.stringify({ text: "a\nb" })] }).length, 1)
  })
})

describe("the judge of answers", () => {
  const taken = JSON.stringify({ status: "success", data: { order_id: "151220000000000" } })
  const refusal = JSON.stringify({ status: "error", error_type: "MarginException", message: "Insufficient funds" })
  const refused = Result.fail(new BrokerRefused({ code: "MarginException", message: "no" }))
  const unknown = Result.fail(new BrokerOutcomeUnknown({ code: "x", message: "no" }))

  it("knows what an answer means, and accuses any other meaning", () => {
    assert.strictEqual(meaningOf(200, taken).meaning, "taken")
    assert.strictEqual(meaningOf(200, taken.replace("15122", "1e22")).meaning, "BrokerOutcomeUnknown")
    assert.strictEqual(meaningOf(400, refusal).meaning, "BrokerRefused")
    assert.strictEqual(meaningOf(500, refusal).meaning, "BrokerOutcomeUnknown")
    assert.isNull(wrongMeaning({ status: 400, body: refusal }, refused))
    assert.isNotNull(wrongMeaning({ status: 503, body: refusal }, refused))
    assert.isNotNull(wrongMeaning({ status: 200, body: taken }, unknown))
    const another = Result.succeed({ brokerOrderId: "2" })
    assert.match(wrongMeaning({ status: 200, body: taken }, another) ?? "", /not the one/)
    const later = new BrokerTryLater({ code: "c", message: "\u009b", retryAt: DateTime.makeUnsafe(0) })
    assert.match(wrongWords(Result.fail(later)) ?? "", /U\+009B/)
  })
})

describe("the judge of the order list", () => {
  const tag = "PB0AAAAAAAAAAAAAAAAA"
  const plain = { order_id: "151220000000000", status: "OPEN", filled_quantity: 3, average_price: 1, tag }

  it("reads rows by itself", () => {
    assert.deepStrictEqual(nameOf(plain, [tag]), { tag, id: plain.order_id, filled: 3, status: "PARTIALLY_FILLED" })
    assert.isNull(nameOf({ ...plain, filled_quantity: 3e9 }, [tag]))
    assert.isNull(rowsIn('{"status":"success","data":null}'))
    assert.isTrue(placesOf({ meta: [`a:${tag}`] }, tag))
    assert.isFalse(placesOf({ meta: [`a${tag}`] }, tag))
  })

  it("finds our tag in a row that cannot be read", () => {
    const body = JSON.stringify({ status: "success", data: [{ ...plain, filled_quantity: 3e9 }] })
    assert.deepStrictEqual(
      rowsIn(body)?.map((one) => placesOf(one, tag)),
      [true]
    )
  })
})

describe("inputs", () => {
  it("depend on seed and index alone, and differ from one another", () => {
    const at = (seed: number, index: number) => JSON.stringify(generateRow(choicesOf("rows", seed, index)))
    const all = Array.from({ length: 200 }, (_, index) => at(7, index))
    assert.strictEqual(at(7, 150), all[150])
    assert.notStrictEqual(at(8, 150), all[150])
    assert.strictEqual(new Set(all).size, 200)
  })
})

describe("the fuzzers' arguments", () => {
  const names = ["rows", "answers"]
  const problem = (...args: ReadonlyArray<string>) => Result.getOrThrow(Result.flip(readArguments(args, names)))

  it("are a seed, a count, one index and areas", () => {
    assert.deepStrictEqual(Result.getOrThrow(readArguments([], names)), {
      seed: 1,
      count: 10_000,
      only: null,
      areas: names
    })
    const given = ["--seed", "7", "--count", "5", "--only", "4711", "--area", "answers"]
    assert.deepStrictEqual(Result.getOrThrow(readArguments(given, names)), {
      seed: 7,
      count: 5,
      only: 4711,
      areas: ["answers"]
    })
  })

  it("say what is wrong with them", () => {
    assert.include(problem("--count", "1e3"), '--count must be a whole number from 0, not "1e3"')
    assert.include(problem("--area", "row"), 'There is no area "row"')
    assert.include(problem("--sed", "1"), "--sed")
    assert.include(problem("7"), "npm run fuzz -- --seed N")
  })
})
