import { Logger, run, runMigrations, type TaskList } from "graphile-worker"
import { chunksOf, type Contender, recorder, type WorkOptions } from "./Contender.ts"
import { inGroups, oneByOne, prepareSameWork, putSameSlices, type SameJob, sameWork } from "./sameWork.ts"

const quiet = new Logger(() => () => undefined)

const enqueueJobs: Contender["enqueue"] = async (pool, dueMillis) => {
  let before = 0
  for (const chunk of chunksOf(dueMillis, 10_000)) {
    await pool.query(
      `SELECT graphile_worker.add_jobs(array_agg(
         json_populate_record(NULL::graphile_worker.job_spec, json_build_object(
           'identifier', 'place', 'payload', json_build_object('due', due, 'slice', $2::int + n), 'run_at', to_timestamp(due / 1000)))))
       FROM unnest($1::float8[]) WITH ORDINALITY AS t (due, n)`,
      [chunk, before]
    )
    before += chunk.length
  }
  await pool.query("VACUUM ANALYZE")
}

/** The fastest settings that were found; `concurrentJobs` is the size of a group if the handler waits for groups. */
const tuned = (concurrentJobs: number) => ({
  concurrentJobs,
  pollInterval: 100,
  localQueue: { size: Math.max(500, concurrentJobs) },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
  maxPoolSize: 20
})

const start = ({ url, isTuned }: WorkOptions, taskList: TaskList, concurrentJobs: number) =>
  run({
    taskList,
    noHandleSignals: true,
    preset: { worker: { connectionString: url, logger: quiet, ...(isTuned ? tuned(concurrentJobs) : {}) } }
  })

/** graphile-worker: one row for each job, locked while it runs and deleted afterwards. */
export const graphileWorker: Contender = {
  hasDueTimes: true,
  isMeasuredAtDefaults: true,
  prepare: (connectionString) => runMigrations({ connectionString, logger: quiet }),
  enqueue: enqueueJobs,
  isDone: async (pool) => {
    const { rows } = await pool.query("SELECT NOT EXISTS (SELECT FROM graphile_worker._private_jobs) AS done")
    return rows[0]?.done === true
  },
  work: async (options) => {
    const { record, calls } = recorder(options.onCall)
    const runner = await start(options, { place: (payload) => record(numberOf(payload, "due")) }, 32)
    return { calls, stop: () => runner.stop() }
  }
}

/** Handlers that do this service's guarantees; see sameWork.ts. `size` of them run at once. */
const withSameWork = (size: number, share: typeof inGroups | typeof oneByOne): Contender => ({
  ...graphileWorker,
  hasDueTimes: false,
  isMeasuredAtDefaults: false,
  prepare: async (url) => {
    await graphileWorker.prepare(url)
    await prepareSameWork(url)
  },
  enqueue: async (pool, dueMillis) => {
    await putSameSlices(pool, dueMillis)
    await enqueueJobs(pool, dueMillis)
  },
  work: async (options) => {
    const { record, calls } = recorder(options.onCall)
    const { handle, end } = sameWork(options.url, record)
    const work = share<SameJob>(size, handle)
    const runner = await start(
      options,
      {
        place: (payload, { job }) =>
          work({ dueMillis: numberOf(payload, "due"), slice: numberOf(payload, "slice"), attempt: job.attempts })
      },
      size
    )
    return {
      calls,
      stop: async () => {
        await runner.stop()
        await end()
      }
    }
  }
})

/** As its API has it: it runs a handler for each job, which makes its own statements. */
export const graphileSameWork: Contender = withSameWork(32, oneByOne)

/** As a clever user may build it around the API: the handlers that run at the same time, 500, share their statements. */
export const graphileGroupedWork: Contender = withSameWork(500, inGroups)

const numberOf = (payload: unknown, name: "due" | "slice"): number => {
  if (typeof payload !== "object" || payload === null) return Number.NaN
  return Number(new Map(Object.entries(payload)).get(name))
}
