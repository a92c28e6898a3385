import { type OrderList, wallClockMillis } from "../contenders/Contender.ts"
import { contenders } from "../contenders/contenders.ts"

/*
 * The worker process of a contender: `node worker.ts CONTENDER URL default|tuned EXPECTED alone|watched`. Over IPC it reports
 * Started, and Reached after the expected number of calls; it answers `usage` and `report` (usage and all calls), lets the broker fill
 * its orders on `fill`, and ends on `stop`. Watched, it reports each call at once, and asks the bench for the broker's order list:
 * both outlive it when it is killed.
 */
const [name = "", url = "", mode = "", expected = "", watching = ""] = process.argv.slice(2)
const contender = Object.entries(contenders).find(([key]) => key === name)?.[1]
if (contender === undefined) throw new Error(`No contender is called ${name}`)

const tell = (message: object) => process.send?.(message)
const isWatched = watching === "watched"

const isOrderList = (message: unknown): message is { readonly id: number; readonly placed: ReadonlyArray<string> } =>
  typeof message === "object" && message !== null && "placed" in message && Array.isArray(message.placed)

const asked = new Map<number, (placed: ReadonlyArray<string>) => void>()
let questions = 0
const orderList: OrderList = (tags) =>
  new Promise((resolve) => {
    const id = (questions += 1)
    asked.set(id, resolve)
    tell({ _tag: "OrderList", id, tags })
  })

/** The start of the process and of its modules is not counted. */
const started = process.cpuUsage()
let count = 0
const working = await contender.work({
  url,
  isTuned: mode === "tuned",
  onCall: (key, tag) => {
    count++
    if (isWatched) tell({ _tag: "Call", key, tag, atMillis: wallClockMillis() })
    if (count === Number(expected)) tell({ _tag: "Reached" })
  },
  ...(isWatched ? { orderList } : {})
})
tell({ _tag: "Started" })

process.on("message", (message) => {
  if (message === "usage") tell({ _tag: "Usage", ...usage() })
  if (message === "report") void report()
  if (message === "fill") working.fill?.()
  if (message === "stop") void stop()
  if (isOrderList(message)) {
    asked.get(message.id)?.(message.placed)
    asked.delete(message.id)
  }
})
process.on("disconnect", () => process.exit())

const usage = () => {
  const { user, system } = process.cpuUsage(started)
  return { cpuMicros: user + system, rssBytes: process.memoryUsage.rss() }
}

/** Usage is read first, because collecting the calls is not part of the work. */
const report = async () => {
  const used = usage()
  tell({ _tag: "Report", ...used, calls: await working.calls() })
}

const stop = async () => {
  await working.stop()
  process.exit()
}
