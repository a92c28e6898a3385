import { Effect, Exit } from "effect"

/** Runs the tasks one after the other, whether or not one fails; fails with all failures at the end. */
export const doAll = <E, R>(tasks: ReadonlyArray<Effect.Effect<unknown, E, R>>): Effect.Effect<void, E, R> =>
  Effect.forEach(tasks, (task) => Effect.exit(task)).pipe(Effect.flatMap((exits) => Exit.asVoidAll(exits)))
