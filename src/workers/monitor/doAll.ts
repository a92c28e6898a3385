import { Effect, Exit } from "effect"

/** Runs the tasks one after the other. One that fails does not keep the others from being done; the result has all failures. */
export const doAll = <E, R>(tasks: ReadonlyArray<Effect.Effect<void, E, R>>): Effect.Effect<void, E, R> =>
  Effect.forEach(tasks, (task) => Effect.exit(task)).pipe(Effect.flatMap((exits) => Exit.asVoidAll(exits)))
