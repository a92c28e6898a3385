import { contenders } from "../contenders/contenders.ts"

/*
 * The worker process of a contender: `node worker.ts CONTENDER URL default|tuned EXPECTED`. Over IPC it reports Started, and
 * Reached after the expected number of calls; it answers `usage` and `report` (usage and all calls), and ends on `stop`.
 */
const [name = "", url = "", mode = "", expected = ""] = process.argv.slice(2)
const contender = Object.entries(contenders).find(([key]) => key === name)?.[1]
if (contender === undefined) throw new Error(`No contender is called ${name}`)

/** The start of the process and of its modules is not counted. */
const started = process.cpuUsage()
let count = 0
const tell = (message: object) => process.send?.(message)
const working = await contender.work({
  url,
  isTuned: mode === "tuned",
  onCall: () => {
    count++
    if (count === Number(expected)) tell({ _tag: "Reached" })
  }
})
tell({ _tag: "Started" })

process.on("message", (asked) => {
  if (asked === "usage") tell({ _tag: "Usage", ...usage() })
  if (asked === "report") void report()
  if (asked === "stop") void stop()
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
