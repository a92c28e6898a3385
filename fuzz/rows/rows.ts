import * as PgClient from "@effect/sql-pg/PgClient"
import { Array as Arrays, Clock, Context, Effect, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import type { Area, Finding, Sample } from "../harness/Area.ts"
import { FuzzRun } from "../harness/FuzzRun.ts"
import { inReport } from "../harness/texts.ts"
import { type RowEnd, wrongEnd, wrongNeighbour } from "./judgeRow.ts"
import { wrongVolume, wrongWords } from "./judgeWords.ts"
import {
  type OrderEnd,
  type OrderTables,
  orderTables,
  orderWriters,
  type OrderWriters,
  type SliceEnd,
  type Unsettled
} from "./orderTables.ts"
import type { Placed } from "./PlacedOrders.ts"
import { generateRow, type RowInput } from "./RowInput.ts"
import { type RunningService, runningService } from "./RunningService.ts"

/** A daemon with its database. One of them has limits of the day that are never reached. */
interface World {
  readonly writers: OrderWriters
  readonly tables: OrderTables
  readonly service: RunningService
  readonly isDayLimited: boolean
  readonly logged: { characters: number; rows: number }
}

const dayLimits = {
  LIMIT_ORDERS_PER_DAY: "10000000",
  LIMIT_VALUE_PER_DAY: "99999999999999999999",
  NOTIFY_WEBHOOK_FORMAT: "slack"
}

const openWorld = Effect.fnUntraced(function* (isDayLimited: boolean) {
  const { database } = yield* FuzzRun
  const target = yield* database
  const service = yield* runningService(target, isDayLimited ? dayLimits : {})
  const services = yield* Layer.build(Layer.fresh(PgClient.layer({ ...target, maxConnections: 5 })))
  const sql = Context.get(services, SqlClient.SqlClient)
  const writers = orderWriters(sql, `${target.database}_${isDayLimited ? "limited" : "free"}`)
  yield* writers.makeRoles
  return { writers, tables: orderTables(sql), service, isDayLimited, logged: { characters: 0, rows: 0 } }
})

/** How long the service may take for a batch on an idle machine, in milliseconds, and how often it is looked at. */
const settledWithinMillis = 60_000
const lookEveryMillis = 100

/** Looks until nothing is unsettled, and returns what still is after `withinMillis`. */
const settled = <E>(look: Effect.Effect<ReadonlyArray<Unsettled>, E>, withinMillis: number) =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    for (;;) {
      const unsettled = yield* look
      if (unsettled.length === 0 || (yield* Clock.currentTimeMillis) - began > withinMillis) return unsettled
      yield* Effect.sleep(lookEveryMillis)
    }
  })

/** A slice that is not placed this long after it is due is waited for, in milliseconds; before, it may be on its way. */
const overdueMillis = 1000
/** Longer than a slice is claimed before it is due, in milliseconds. */
const aheadMillis = 60_000

/** Inserts rows together or, if PostgreSQL refuses that, each alone: what it refuses is not there, and is not judged. */
const insertRows = (writers: OrderWriters, samples: ReadonlyArray<Sample<RowInput>>) => {
  const insertOne = ({ input }: Sample<RowInput>) => Effect.ignore(writers.insert(input.writer, [input.columns]))
  const insertAll = (writer: RowInput["writer"], group: ReadonlyArray<Sample<RowInput>>) =>
    writers
      .insert(
        writer,
        group.map(({ input }) => input.columns)
      )
      .pipe(Effect.catch(() => Effect.forEach(group, insertOne, { discard: true, concurrency: 4 })))
  const [together, alone] = Arrays.partition(samples, (sample) =>
    sample.input.isRefusable ? Result.succeed(sample) : Result.fail(sample)
  )
  return Effect.gen(function* () {
    yield* Effect.forEach(alone, insertOne, { discard: true, concurrency: 4 })
    for (const writer of ["pulse-api", "stranger"] as const) {
      const group = together.filter(({ input }) => input.writer === writer)
      if (group.length > 0) yield* insertAll(writer, group)
    }
  })
}

const judgeBatch = Effect.fnUntraced(function* (world: World, samples: ReadonlyArray<Sample<RowInput>>) {
  const { writers, tables, service } = world
  const { isJudgedByClock } = yield* FuzzRun
  const first = samples[0]?.index ?? 0
  const prefix = `neighbour-${(yield* Clock.currentTimeMillis).toString(36)}-${first}`
  yield* writers.insertNeighbours(prefix, 1500)
  yield* insertRows(writers, samples)
  const neighbours = [`${prefix}-now`, `${prefix}-soon`]
  const byId = new Map(samples.map((sample) => [sample.input.columns.id, sample]))
  const ids = [...byId.keys(), ...neighbours].filter((id) => !id.includes("\u0000"))
  const stuck = yield* settled(
    tables.unsettled(ids, overdueMillis, neighbours),
    isJudgedByClock ? settledWithinMillis : 3 * settledWithinMillis
  )
  const orders = yield* tables.readOrders(ids)
  yield* tables.stop(ids)
  yield* settled(tables.unsettled(ids, -aheadMillis, []), settledWithinMillis)
  const slices = yield* tables.readSlices(ids)
  const tags = new Set(slices.map(({ tag }) => tag))
  const ends = endsOf(orders, slices, service.placedOrders.of(tags), yield* Clock.currentTimeMillis)
  const findings: Array<Finding> = []
  const accuse = (id: string, what: string | null) => {
    if (what === null) return
    const sample = byId.get(id)
    findings.push(
      sample === undefined
        ? { index: first, what: `${inReport(id)}, which stood beside it: ${what}` }
        : { index: sample.index, what }
    )
  }
  for (const { id, what } of stuck) accuse(id, `it does not come to an end: ${what}`)
  for (const end of ends) {
    const sample = byId.get(end.order.id)
    if (sample !== undefined) accuse(end.order.id, wrongEnd(sample.input, end, world.isDayLimited))
    else if (neighbours.includes(end.order.id)) accuse(end.order.id, wrongNeighbour(end, isJudgedByClock))
  }
  for (const id of neighbours) if (!orders.some((order) => order.id === id)) accuse(id, "it cannot be found")
  const said = service.take()
  world.logged.characters += said.lines.reduce((sum, line) => sum + line.length, 0)
  world.logged.rows += samples.length
  const tooMuch = wrongVolume(world.logged.characters, world.logged.rows)
  for (const what of [...wrongWords(said), ...(tooMuch === null ? [] : [tooMuch])])
    findings.push({ index: first, what })
  service.placedOrders.forget(tags)
  yield* tables.forget(ids)
  for (const what of yield* strayPlacements(world)) findings.push({ index: first, what })
  return findings
})

/** Puts together what became of each order. */
const endsOf = (
  orders: ReadonlyArray<OrderEnd>,
  slices: ReadonlyArray<SliceEnd>,
  placed: ReadonlyArray<Placed>,
  readMillis: number
): ReadonlyArray<RowEnd> => {
  const slicesOf = Map.groupBy(slices, ({ order_id }) => order_id)
  const placedOf = Map.groupBy(placed, ({ tag }) => tag)
  return orders.map((order) => {
    const own = slicesOf.get(order.id) ?? []
    return { order, slices: own, placed: own.flatMap(({ tag }) => placedOf.get(tag) ?? []), readMillis }
  })
}

/** Orders at the broker that no slice asked for. Slices that another batch has deleted meanwhile are forgotten, too. */
const strayPlacements = ({ tables, service: { placedOrders } }: World) =>
  Effect.gen(function* () {
    const stray = yield* tables.strayAmong(placedOrders.tags())
    const still = placedOrders.tags()
    return stray.flatMap(({ tag }) =>
      still.has(tag) ? [`an order with the tag ${tag} is at the broker, and no slice has it`] : []
    )
  })

/**
 * Order rows, written with the rights that other programs have, into the database of whole daemons with the mock broker.
 * With each batch come orders without anything odd, which no odd row may delay.
 */
export const rows: Area<RowInput> = {
  name: "rows",
  batchSize: 500,
  inFlight: 8,
  weight: 5,
  generate: generateRow,
  shown: (input) => inReport(JSON.stringify(input), 1500),
  open: Effect.gen(function* () {
    const worlds = [yield* openWorld(false), yield* openWorld(true)] as const
    let batches = 0
    return (samples) => {
      const world = worlds[batches++ % 4 === 3 ? 1 : 0]
      return Effect.orDie(judgeBatch(world, samples))
    }
  })
}
