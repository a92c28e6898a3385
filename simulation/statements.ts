import { DateTime, Effect, Exit } from "effect"
import { DbError } from "../src/db/DbError.ts"
import type { OrderBudget } from "../src/stores/account/OrderBudget.ts"
import { currentWorker, type Process } from "./Process.ts"
import { faultHits, type Run } from "./Run.ts"
import type { Stores } from "./store/Database.ts"

/** What each statement's commit tells the processes. */
const notifications: Readonly<Record<string, string>> = {
  "OrderStore.completeSplits": "slices",
  "OrderStore.noteDouble": "cancels",
  "ReplanStore.change": "slices",
  "OrderCommands.hold": "cancels"
}

/** What a statement meets on its way. */
type Fate = "well" | "slow" | "lost before commit" | "lost after commit"

const fateOf = (run: Run): Fate => {
  const { statements } = run.scenario.faults
  if (faultHits(run, "statement lost before its commit", statements.lostBefore)) return "lost before commit"
  if (faultHits(run, "statement's answer lost after its commit", statements.lostAfter)) return "lost after commit"
  return faultHits(run, "slow statement", statements.slow) ? "slow" : "well"
}

const connectionLost = (operation: string) =>
  new DbError({ operation, message: `${operation}: the connection was lost`, isTransient: true, sqlState: null })

/** The way of one statement: out of the process, to its commit, and back with the answer. */
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
    // Whether a process that died, or gave up, had the statement on the wire already is chance.
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

const through =
  (process: Process, operation: string) =>
  <A, E>(statement: Effect.Effect<A, E>): Effect.Effect<A, E | DbError> =>
    Effect.flatMap(currentWorker, (worker) =>
      Effect.callback<A, E | DbError>((resume) => send(process, worker, operation, statement, resume))
    )

/** Where a statement leaves the order of its rows open, the simulation must not: the seed decides everything. */
const sorted = <A extends { readonly id: string }>(rows: ReadonlyArray<A>): ReadonlyArray<A> =>
  rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))

const inOrder = (ids: ReadonlyArray<string>): ReadonlyArray<string> => ids.toSorted()

/** The stores as one process sees them: every statement goes over a network, and the process may die on the way. */
export const storesOf = (process: Process): Stores => {
  const { run } = process
  const { orders, slices, recovery, replans, halts, heartbeats, commands, quotes, instruments } = run.database.stores
  const by = (operation: string) => through(process, operation)
  const claimDue = by("SliceStore.claimDue")
  const transition = by("SliceStore.transition")
  const unresolved = by("SliceStore.unresolved")
  const open = by("SliceStore.open")
  const audit = by("SliceStore.audit")
  const saveBrokerStates = by("SliceStore.saveBrokerStates")
  const claimCancels = by("SliceStore.claimCancels")
  const claimPending = by("OrderStore.claimPending")
  const completeSplits = by("OrderStore.completeSplits")
  const failSplits = by("OrderStore.failSplits")
  const releaseStuck = by("OrderStore.releaseStuck")
  const release = by("OrderStore.release")
  const stoppedAmong = by("OrderStore.stoppedAmong")
  const noteDouble = by("OrderStore.noteDouble")
  const change = by("ReplanStore.change")
  return {
    orders: {
      claimPending: (options) => Effect.map(claimPending(orders.claimPending(options)), sorted),
      completeSplits: (splits, options) => completeSplits(orders.completeSplits(splits, options)),
      failSplits: (failures, now) => failSplits(orders.failSplits(failures, now)),
      releaseStuck: (options) => Effect.map(releaseStuck(orders.releaseStuck(options)), sorted),
      release: (claimed, now) => release(orders.release(claimed, now)),
      stoppedAmong: (ids) => stoppedAmong(orders.stoppedAmong(ids)),
      // A statement takes effect outside of the process, whose logger would not be heard there.
      noteDouble: (double, now) =>
        noteDouble(
          orders.noteDouble(
            double,
            now,
            Effect.sync(() => run.world.traced?.(() => `${process.id} gives the alarm: ${double.tag}`))
          )
        )
    },
    slices: {
      claimDue: (options) => Effect.map(claimDue(slices.claimDue(options)), sorted),
      transition: (transitions, events) => transition(slices.transition(transitions, events)),
      unresolved: (now, limit) => Effect.map(unresolved(slices.unresolved(now, limit)), sorted),
      open: (after, limit, now) => open(slices.open(after, limit, now)),
      saveBrokerStates: (states, now) => saveBrokerStates(slices.saveBrokerStates(states, now)),
      claimCancels: (options) => Effect.map(claimCancels(slices.claimCancels(options)), inOrder),
      audit: (events) => audit(slices.audit(events))
    },
    recovery: {
      look: (options) => by("RecoveryStore.look")(recovery.look(options)),
      previouslyInDoubt: (since, limit) =>
        Effect.map(by("RecoveryStore.previouslyInDoubt")(recovery.previouslyInDoubt(since, limit)), sorted),
      takeOver: (late, reason, now) => by("RecoveryStore.takeOver")(recovery.takeOver(late, reason, now)),
      leaveOrderList: (ids, now) => by("RecoveryStore.leaveOrderList")(recovery.leaveOrderList(ids, now)),
      skipStale: (now, reason, limit) =>
        Effect.map(by("RecoveryStore.skipStale")(recovery.skipStale(now, reason, limit)), inOrder),
      skipCancelled: (now, limit) =>
        Effect.map(by("RecoveryStore.skipCancelled")(recovery.skipCancelled(now, limit)), inOrder)
    },
    replans: {
      unsettled: (after, limit, now) => by("ReplanStore.unsettled")(replans.unsettled(after, limit, now)),
      change: (orderId, options, decide) => change(replans.change(orderId, options, decide))
    },
    halts: {
      request: (halt) => by("HaltStore.request")(halts.request(halt)),
      current: by("HaltStore.current")(halts.current),
      acknowledge: (instanceId, haltId) => by("HaltStore.acknowledge")(halts.acknowledge(instanceId, haltId)),
      waitingFor: (halt, now) => by("HaltStore.waitingFor")(halts.waitingFor(halt, now))
    },
    heartbeats: {
      beat: (...given) => by("HeartbeatStore.beat")(heartbeats.beat(...given)),
      leave: (instance) => by("HeartbeatStore.leave")(heartbeats.leave(instance)),
      forget: (before) => by("HeartbeatStore.forget")(heartbeats.forget(before))
    },
    commands: {
      pause: (orderId, asked, now) => by("OrderCommands.pause")(commands.pause(orderId, asked, now)),
      hold: (orderId, reason, now) => by("OrderCommands.hold")(commands.hold(orderId, reason, now)),
      resume: (orderId, asked, now) => by("OrderCommands.resume")(commands.resume(orderId, asked, now)),
      requestCancel: (orderId, asked, now) =>
        by("OrderCommands.requestCancel")(commands.requestCancel(orderId, asked, now))
    },
    quotes: {
      prune: (before) => by("QuoteStore.prune")(quotes.prune(before))
    },
    instruments: {
      markets: (names) => by("InstrumentStore.markets")(instruments.markets(names))
    }
  }
}

/**
 * The account's budget of order requests as one process sees it. What it grants is chance: its arithmetic is tested elsewhere,
 * here it is what a placement waits for.
 */
export const budgetOf = (process: Process): Pick<OrderBudget["Service"], "reserve" | "block"> => {
  const { run } = process
  return {
    reserve: (_broker, _limits, now, latest) =>
      through(
        process,
        "OrderBudget.reserve"
      )(
        Effect.sync(() => {
          const nowMillis = DateTime.toEpochMillis(now)
          const isWaiting = faultHits(run, "placement: waits for its turn", run.scenario.faults.waitForTurn)
          const atMillis = nowMillis + (isWaiting ? run.chance.upTo(run.scenario.brokerTimeoutSeconds * 1500) : 0)
          return atMillis <= DateTime.toEpochMillis(latest)
            ? { _tag: "Granted", atMillis }
            : { _tag: "TooLate", possibleAt: DateTime.makeUnsafe(Math.floor(atMillis)) }
        })
      ),
    block: () => through(process, "OrderBudget.block")(Effect.void)
  }
}

/** The database's clock, in microseconds since 1970, as its statement answers it. */
export const databaseTime = (process: Process): Effect.Effect<bigint, DbError> =>
  through(process, "DatabaseClock.sample")(Effect.sync(() => BigInt(process.run.world.nowMicros)))
