import { Effect } from "effect"
import { hostname } from "node:os"
import { Instance } from "../../src/runtime/Instance.ts"
import { giveLifeSign } from "../../src/runtime/lifeSign.ts"

/** Until the scope closes, a daemon with this id seems to live on this host. */
export const liveAs = (id: string) =>
  Effect.provideService(
    giveLifeSign,
    Instance,
    Instance.of({ id, hostname: hostname(), pid: process.pid, version: "1" })
  )
