import { Effect } from "effect"
import type { Case } from "./Case.ts"
import { Path, seededChoice } from "./choices.ts"
import type { Choose } from "./interleave.ts"
import { runPlay } from "./runPlay.ts"
import type { Session } from "./Session.ts"

/** Which interleavings of a case are run: those of these seeds, or every single one. */
export type Extent = { readonly seeds: Iterable<number> } | "all"

/** A run in which something did not hold. */
export interface Finding {
  readonly case: string
  /** The seed of the run; null where all interleavings were run. */
  readonly seed: number | null
  readonly problems: ReadonlyArray<string>
  /** The steps of the run, one a line. */
  readonly trace: ReadonlyArray<string>
}

/** How many interleavings were run, and the first that was wrong. */
export interface Explored {
  readonly runs: number
  readonly finding: Finding | null
}

/** Runs interleavings of a case until one is wrong, each in the same world, and tells the steps of each. */
export const exploreCase = (
  session: Session,
  one: Case,
  extent: Extent,
  tell: (trace: ReadonlyArray<string>) => void = () => {}
): Effect.Effect<Explored, unknown> =>
  Effect.gen(function* () {
    yield* session.empty.restore
    const play = yield* Effect.provide(one.prepare, session.services)
    yield* session.world.take
    let runs = 0
    for (const [seed, choose] of extent === "all" ? allOf() : seeded(one.name, extent.seeds)) {
      yield* session.world.restore
      const { problems, trace } = yield* runPlay(session, play(), choose)
      tell(trace)
      runs++
      if (problems.length > 0) return { runs, finding: { case: one.name, seed, problems, trace } }
    }
    return { runs, finding: null }
  })

function* allOf(): Iterable<readonly [null, Choose]> {
  for (let path: Path | null = new Path([]); path !== null; path = path.next) yield [null, path.choose]
}

function* seeded(name: string, seeds: Iterable<number>): Iterable<readonly [number, Choose]> {
  for (const seed of seeds) yield [seed, seededChoice(`${name} ${seed}`)]
}
