import { Logger, run, runMigrations } from "graphile-worker"
import { chunksOf, type Contender, recorder } from "./Contender.ts"

const quiet = new Logger(() => () => undefined)

/** graphile-worker: one row for each job, locked while it runs and deleted afterwards. */
export const graphileWorker: Contender = {
  name: "graphile-worker",
  hasDueTimes: true,
  isMeasuredAtDefaults: true,
  prepare: (connectionString) => runMigrations({ connectionString, logger: quiet }),
  enqueue: async (pool, dueMillis) => {
    for (const chunk of chunksOf(dueMillis, 10_000)) {
      await pool.query(
        `SELECT graphile_worker.add_jobs(array_agg(
           json_populate_record(NULL::graphile_worker.job_spec, json_build_object(
             'identifier', 'place', 'payload', json_build_object('due', due), 'run_at', to_timestamp(due / 1000)))))
         FROM unnest($1::float8[]) AS due`,
        [chunk]
      )
    }
    await pool.query("VACUUM ANALYZE")
  },
  isDone: async (pool) => {
    const { rows } = await pool.query("SELECT NOT EXISTS (SELECT FROM graphile_worker._private_jobs) AS done")
    return rows[0]?.done === true
  },
  work: async ({ url, isTuned, onCall }) => {
    const { record, calls } = recorder(onCall)
    const runner = await run({
      taskList: { place: (payload) => record(dueOf(payload)) },
      noHandleSignals: true,
      preset: {
        worker: {
          connectionString: url,
          logger: quiet,
          ...(isTuned
            ? {
                concurrentJobs: 32,
                pollInterval: 100,
                localQueue: { size: 500 },
                completeJobBatchDelay: 0,
                failJobBatchDelay: 0,
                maxPoolSize: 20
              }
            : {})
        }
      }
    })
    return { calls, stop: () => runner.stop() }
  }
}

const dueOf = (payload: unknown): number =>
  typeof payload === "object" && payload !== null && "due" in payload ? Number(payload.due) : Number.NaN
