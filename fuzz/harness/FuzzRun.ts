import { Context, type Effect, type Scope } from "effect"
import type { DbTarget } from "../../src/db/connect.ts"
import type { Effort } from "./Effort.ts"

/** Where a server's database is, with the password that the fuzzer uses to look at it. */
export type FuzzTarget = Extract<DbTarget, { readonly host: string }>

/** What all areas of one run share. */
export class FuzzRun extends Context.Service<
  FuzzRun,
  {
    /** Whether times on the wall clock are judged: they say nothing on a machine that is busy with other things. */
    readonly isJudgedByClock: boolean
    readonly effort: Effort
    /** A migrated database, until the scope closes. */
    readonly database: Effect.Effect<FuzzTarget, unknown, Scope.Scope>
  }
>()("pulse-background/FuzzRun") {}
