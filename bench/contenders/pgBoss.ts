import { PgBoss } from "pg-boss"
import { chunksOf, type Contender, recorder } from "./Contender.ts"

const queue = "place"

const start = async (connectionString: string, isTuned: boolean) => {
  const boss = new PgBoss({ connectionString, ...(isTuned ? { max: 20 } : {}) })
  boss.on("error", (error) => console.error(`pg-boss: ${String(error)}`))
  await boss.start()
  return boss
}

/** pg-boss: one row for each job, set active and then completed. */
export const pgBoss: Contender = {
  name: "pg-boss",
  hasDueTimes: true,
  // Its defaults handle one job every two seconds.
  isMeasuredAtDefaults: false,
  prepare: async (url) => {
    const boss = await start(url, false)
    await boss.createQueue(queue)
    await boss.stop({ graceful: false })
  },
  enqueue: async (pool, dueMillis) => {
    for (const chunk of chunksOf(dueMillis, 10_000)) {
      await pool.query(
        `INSERT INTO pgboss.job (name, data, start_after)
         SELECT '${queue}', json_build_object('due', due), to_timestamp(due / 1000) FROM unnest($1::float8[]) AS due`,
        [chunk]
      )
    }
    await pool.query("VACUUM ANALYZE")
  },
  isDone: async (pool) => {
    const { rows } = await pool.query(
      `SELECT NOT EXISTS (SELECT FROM pgboss.job WHERE name = '${queue}' AND state < 'completed') AS done`
    )
    return rows[0]?.done === true
  },
  work: async ({ url, isTuned, onCall }) => {
    const { record, calls } = recorder(onCall)
    const boss = await start(url, isTuned)
    const handle = async (jobs: ReadonlyArray<{ readonly data: { readonly due: number } }>) => {
      for (const { data } of jobs) record(data.due)
    }
    const options = isTuned ? { batchSize: 500, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true } : {}
    for (let n = 0; n < (isTuned ? 4 : 1); n++) await boss.work(queue, options, handle)
    return { calls, stop: () => boss.stop({ graceful: false }) }
  }
}
