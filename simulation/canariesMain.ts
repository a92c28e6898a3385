import { tryMutation } from "./canaries.ts"
import { mutations } from "./mutations.ts"
const only = process.argv[2]
let i = 0
const list = mutations.filter((m) => only === undefined || m.name.includes(only))
const worker = async () => {
  for (;;) {
    const m = list[i++]
    if (m === undefined) return
    try { const c = await tryMutation(m, Number(process.argv[3] ?? 1000)); console.log(c.caughtBy === null ? "MISSED" : "caught", m.name, "::", c.caughtBy ?? "") } catch (e) { console.log("ERROR", m.name, String(e).slice(0, 600)) }
  }
}
await Promise.all([worker(), worker()])
