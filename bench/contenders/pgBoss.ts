import { PgBoss } from "pg-boss"
import { chunksOf, type Contender, recorder } from "./Contender.ts"
import { prepareSameWork, putSameSlices, sameWork } from "./sameWork.ts"

const queue = "place"

const start = async (connectionString: string, isTuned: boolean) => {
  const boss = new PgBoss({ connectionString, ...(isTuned ? { max: 20 } : {}) })
  boss.on("error", (error) => console.error(`pg-boss: ${String(error)}`))
  await boss.start()
  return boss
}

const enqueueJobs: Contender["enqueue"] = async (pool, dueMillis) => {
  let before = 0
  for (const chunk of chunksOf(dueMillis, 10_000)) {
    await pool.query(
      `INSERT INTO pgboss.job (name, data, start_after)
       SELECT '${queue}', json_build_object('due', due, 'slice', $2::int + n), to_timestamp(due / 1000)
       FROM unnest($1::float8[]) WITH ORDINALITY AS t (due, n)`,
      [chunk, before]
    )
    before += chunk.length
  }
  await pool.query("VACUUM ANALYZE")
}

/** The fastest settings that were found, and how many workers take such batches at a time. */
const tuning = { batchSize: 500, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true }
const workers = 4

interface Data {
  readonly due: number
  readonly slice: number
}

/** pg-boss: one row for each job, set active and then completed. */
export const pgBoss: Contender = {
  hasDueTimes: true,
  // Its defaults handle one job every two seconds.
  isMeasuredAtDefaults: false,
  prepare: async (url) => {
    const boss = await start(url, false)
    await boss.createQueue(queue)
    await boss.stop({ graceful: false })
  },
  enqueue: enqueueJobs,
  isDone: async (pool) => {
    const { rows } = await pool.query(
      `SELECT NOT EXISTS (SELECT FROM pgboss.job WHERE name = '${queue}' AND state < 'completed') AS done`
    )
    return rows[0]?.done === true
  },
  work: async ({ url, isTuned, onCall }) => {
    const { record, calls } = recorder(onCall)
    const boss = await start(url, isTuned)
    const handle = async (jobs: ReadonlyArray<{ readonly data: Data }>) => {
      for (const { data } of jobs) record(data.due)
    }
    for (let n = 0; n < (isTuned ? workers : 1); n++) await boss.work(queue, isTuned ? tuning : {}, handle)
    return { calls, stop: () => boss.stop({ graceful: false }) }
  }
}

/** The same, with handlers that do this service's guarantees for each batch of 500; see sameWork.ts. */
export const pgBossSameWork: Contender = {
  ...pgBoss,
  hasDueTimes: false,
  prepare: async (url) => {
    await pgBoss.prepare(url)
    await prepareSameWork(url)
  },
  enqueue: async (pool, dueMillis) => {
    await putSameSlices(pool, dueMillis)
    await enqueueJobs(pool, dueMillis)
  },
  work: async ({ url, isTuned, onCall }) => {
    const { record, calls } = recorder(onCall)
    const { handle, end } = sameWork(url, record)
    const boss = await start(url, isTuned)
    for (let n = 0; n < workers; n++) {
      await boss.work<Data>(queue, { ...tuning, includeMetadata: true as const }, (jobs) =>
        handle(jobs.map(({ data: { due, slice }, retryCount }) => ({ dueMillis: due, slice, attempt: retryCount + 1 })))
      )
    }
    return {
      calls,
      stop: async () => {
        await boss.stop({ graceful: false })
        await end()
      }
    }
  }
}
