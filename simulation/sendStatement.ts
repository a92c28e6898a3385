import { Effect, Exit } from "effect"
import { DbError } from "../src/db/DbError.ts"
import { currentWorker, type Process } from "./Process.ts"
import { faultHits, type Run } from "./Run.ts"

/** The topic that a statement's commit notifies the processes of. */
const notifications: Readonly<Record<string, string>> = {
  "OrderStore.completeSplits": "slices",
  "OrderStore.noteDouble": "cancels",
  "SettlementStore.note": "cancels",
  "ReplanStore.change": "slices",
  "OrderCommands.hold": "cancels",
  "HaltStore.restore": "halts",
  "HistoryStore.settle": "slices"
}

/** The fate of a statement on its way. */
type Fate = "well" | "slow" | "lost before commit" | "lost after commit"

const fateOf = (run: Run): Fate => {
  const { statements } = run.scenario.faults
  if (faultHits(run, "statement lost before its commit", statements.lostBefore)) return "lost before commit"
  if (faultHits(run, "statement's answer lost after its commit", statements.lostAfter)) return "lost after commit"
  return faultHits(run, "slow statement", statements.slow) ? "slow" : "well"
}

const connectionLost = (operation: string) =>
  new DbError({ operation, message: `${operation}: the connection was lost`, isTransient: true, sqlState: null })

/** Carries one statement out of the process to its commit, and the answer back. */
const send = <A, E>(
  process: Process,
  worker: string,
  operation: string,
  statement: Effect.Effect<A, E>,
  resume: (answer: Effect.Effect<A, E | DbError>) => void
): Effect.Effect<void> => {
  const { run } = process
  const { world, chance, counts } = run
  const { statements } = run.scenario.faults
  let isGivenUp = false

  const answer = (exit: Exit.Exit<A, E | DbError>, afterMillis: number) =>
    void world.after(afterMillis, () => process.enter(() => resume(exit)))

  const commit = (fate: Fate): void | Promise<void> => {
    process.reach(worker, operation, "sent")
    // A process that died, or gave up, may have had the statement on the wire already: chance decides.
    if ((process.isDead || isGivenUp) && chance.hits(0.5)) return
    if (fate === "lost before commit") return answer(Exit.fail(connectionLost(operation)), chance.between(1, 2000))
    const exit = run.database.run(operation, statement)
    return exit instanceof Promise ? exit.then((exit) => committed(exit, fate)) : committed(exit, fate)
  }

  const committed = (exit: Exit.Exit<A, E>, fate: Fate): void => {
    counts.statements++
    world.traced?.(() => `${process.id} ${worker} ${operation} ${Exit.isSuccess(exit) ? "committed" : "failed"}`)
    run.judge.committed(operation)
    const topic = notifications[operation]
    if (topic !== undefined && Exit.isSuccess(exit)) run.notify(topic)
    process.reach(worker, operation, "done")
    if (fate === "lost after commit") answer(Exit.fail(connectionLost(operation)), chance.between(1, 2000))
    else answer(exit, chance.between(0.1, 1.5))
  }

  const begin = () => {
    const fate = isOut(process) ? "lost before commit" : fateOf(run)
    const delay = fate === "slow" ? chance.between(20, statements.slowestMillis) : chance.between(0.1, 1.5)
    world.after(delay, () => commit(fate))
  }

  process.reach(worker, operation, "before")
  process.enter(begin)
  return Effect.sync(() => {
    isGivenUp = true
  })
}

/** Whether this process cannot reach the database now. */
const isOut = (process: Process): boolean => {
  const { run, name } = process
  const outage = run.scenario.outages.find(
    (outage) => (outage.process === null || outage.process === name) && outage.isAt(run.world.seconds)
  )
  return outage !== undefined && faultHits(run, "database out of reach", 1)
}

/** Sends a statement of the worker that runs it over the network to the database. */
export const through =
  (process: Process, operation: string) =>
  <A, E>(statement: Effect.Effect<A, E>): Effect.Effect<A, E | DbError> =>
    Effect.flatMap(currentWorker, (worker) =>
      Effect.callback<A, E | DbError>((resume) => send(process, worker, operation, statement, resume))
    )
