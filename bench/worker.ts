import { contenders } from "./contenders/contenders.ts"

/*
 * One contender at work, in a process of its own: `node worker.ts CONTENDER URL default|tuned EXPECTED`. Says when it has
 * started and when it has made the expected number of calls; answers "report" with the calls and its use of the machine.
 */
const [name = "", url = "", mode = "", expected = ""] = process.argv.slice(2)
const contender = Object.entries(contenders).find(([key]) => key === name)?.[1]
if (contender === undefined) throw new Error(`No contender is called ${name}`)

/** Starting, and compiling what is imported, is not work. */
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

/** What it has used is read first: putting the calls together is no part of the work. */
const report = async () => {
  const used = usage()
  tell({ _tag: "Report", ...used, calls: await working.calls() })
}

const stop = async () => {
  await working.stop()
  process.exit()
}
