import { Context, Effect, Layer, Random } from "effect"
import { hostname } from "node:os"
import { version } from "../version.ts"

/** The identity of this process: the owner in claims, heartbeats and the audit. */
export class Instance extends Context.Service<
  Instance,
  { readonly id: string; readonly hostname: string; readonly pid: number; readonly version: string }
>()("pulse-background/Instance") {
  static readonly layer: Layer.Layer<Instance> = Layer.effect(
    Instance,
    Effect.map(Random.nextIntBetween(0, 36 ** 6), (number) =>
      Instance.of({
        // The random part distinguishes containers with equal names and pids, and a pid that is reused.
        id: `${hostname()}-${process.pid}-${number.toString(36).padStart(6, "0")}`,
        hostname: hostname(),
        pid: process.pid,
        version
      })
    )
  )
}
