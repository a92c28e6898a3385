import { performance } from "node:perf_hooks"

/*
 * Loaded before the service by NODE_OPTIONS=--import. Shifts the wall clock of the process by CHAOS_CLOCK_OFFSET_MILLIS, and by
 * another CHAOS_CLOCK_JUMP_MILLIS once the process is CHAOS_CLOCK_JUMP_AFTER_MILLIS old. The monotonic clock stays right, as on a
 * host whose time is set. Replacing Date is enough: Effect's Clock reads the wall clock from nothing else.
 */
const setting = (name: string) => Number(process.env[`CHAOS_CLOCK_${name}_MILLIS`] ?? 0)
const [offset, jump, jumpAfter] = [setting("OFFSET"), setting("JUMP"), setting("JUMP_AFTER")]

const RealDate = Date
const began = performance.now()
const wrongNow = () => new RealDate().getTime() + offset + (performance.now() - began >= jumpAfter ? jump : 0)

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [wrongNow()] : args, newTarget),
  get: (target, key) => (key === "now" ? wrongNow : Reflect.get(target, key))
})
