import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readFreezeFile } from "../../../src/domain/market/freezeFile.ts"

const read = (text: string) => readFreezeFile(text, { exchange: "NFO", since: "2026-12-01", source: "qtyfreeze.csv" })
const found = (text: string) =>
  Result.getOrThrow(read(text)).map(({ exchange, quantity, since, underlying }) => [
    `${exchange}:${underlying}`,
    quantity,
    since
  ])
const problems = (text: string) => {
  const result = read(text)
  return Result.isFailure(result) ? result.failure : assert.fail("the file was read")
}

describe("readFreezeFile", () => {
  it("reads the exchange's file, padded, quoted, with a byte order mark and any line ends", () => {
    const rows = [
      ["NFO:BANKNIFTY", 600, "2026-12-01"],
      ["NFO:M&M", 8000, "2026-12-01"],
      ["NFO:360ONE", 12_500, "2026-12-01"]
    ]
    const lines = [
      "S.No.     ,SYMBOL                        ,VOL_FRZ_QTY   ",
      "1         ,BANKNIFTY                     ,600           ",
      "2         ,M&M                           ,8000          ",
      "3         ,360ONE                        ,12500         "
    ]
    for (const end of ["\n", "\r\n", "\r"]) assert.deepStrictEqual(found(`\uFEFF${lines.join(end)}${end}`), rows)
    const quoted = lines.map((line) =>
      line
        .split(",")
        .map((value) => `"${value}"`)
        .join(",")
    )
    assert.deepStrictEqual(found(["", ...quoted, "", " "].join("\n")), rows)
  })

  it("reads a plain file with an exchange and a day in each line", () => {
    assert.deepStrictEqual(found("exchange,underlying,quantity,since\nmcx,gold,10,2027-01-01\nBFO,SENSEX50,900,\n"), [
      ["MCX:GOLD", 10, "2027-01-01"],
      ["BFO:SENSEX50", 900, "2026-12-01"]
    ])
    assert.deepStrictEqual(found("quantity,exchange,underlying\n5,CDS,USDINR"), [["CDS:USDINR", 5, "2026-12-01"]])
  })

  it("names every bad line", () => {
    const lines = [
      "exchange,underlying,quantity,since",
      "NFO,NIFTY,1800,2026-12-01",
      "NFO,NIFTY,1800",
      "NSE,NIFTY,1800,",
      "NFO,,1800,",
      "NFO,A,-1,",
      "NFO,B,1.5,",
      "NFO,C,0,",
      "NFO,D,9999999999,",
      "NFO,E,10,2026-13-01",
      'NFO,"F,10,',
      "NFO,NIFTY,900,2026-12-01"
    ]
    const named = problems(lines.join("\n"))
    assert.deepStrictEqual(
      named.map((problem) => Number(/^line (\d+): /.exec(problem)?.[1])),
      [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    )
    assert.include(named[1], 'exchange Expected "NFO"')
    assert.include(named[2], "underlying must be an underlying's name such as NIFTY")
    assert.include(named[7], "since must be a day such as 2026-12-01")
    assert.strictEqual(named[9], "line 12: NFO NIFTY 2026-12-01 is in line 2 already")
  })

  it("refuses files without quantities or of another kind", () => {
    assert.deepStrictEqual(problems(""), ["the file is empty"])
    assert.deepStrictEqual(problems("\uFEFF \r\n"), ["the file is empty"])
    assert.deepStrictEqual(problems("S.No.,SYMBOL,VOL_FRZ_QTY\n"), ["the file has no quantities in it"])
    for (const text of ["<html>", "underlying,quantity\nNIFTY,1800", "PK\u0003\u0004", "1,NIFTY,1800"]) {
      assert.match(problems(text)[0] ?? "", /^line 1 must name the columns SYMBOL and VOL_FRZ_QTY/)
    }
  })
})
