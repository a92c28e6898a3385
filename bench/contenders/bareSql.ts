import { setTimeout } from "node:timers/promises"
import { Pool } from "pg"
import { chunksOf, type Contender, recorder } from "./Contender.ts"

const claim = `
  WITH picked AS MATERIALIZED (
    SELECT id FROM bare_work WHERE stage = 0 ORDER BY due_at LIMIT 500 FOR UPDATE SKIP LOCKED
  )
  UPDATE bare_work w SET stage = 1 FROM picked WHERE w.id = picked.id
  RETURNING w.id, (extract(epoch FROM w.due_at) * 1000)::float8 AS due`
const complete = "UPDATE bare_work w SET stage = 2 FROM unnest($1::bigint[]) AS i (id) WHERE w.id = i.id"

/** The upper bound: three connections that only claim and complete rows, in groups of 500. */
export const bareSql: Contender = {
  hasDueTimes: false,
  isMeasuredAtDefaults: false,
  prepare: async (url) => {
    const pool = new Pool({ connectionString: url })
    await pool.query(`
      CREATE TABLE bare_work (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, due_at timestamptz NOT NULL, stage smallint NOT NULL DEFAULT 0);
      CREATE INDEX bare_work_claimable ON bare_work (due_at) WHERE stage = 0`)
    await pool.end()
  },
  enqueue: async (pool, dueMillis) => {
    for (const chunk of chunksOf(dueMillis, 10_000)) {
      await pool.query(
        "INSERT INTO bare_work (due_at) SELECT to_timestamp(due / 1000) FROM unnest($1::float8[]) AS due",
        [chunk]
      )
    }
    await pool.query("VACUUM ANALYZE bare_work")
  },
  isDone: async (pool) => {
    const { rows } = await pool.query("SELECT NOT EXISTS (SELECT FROM bare_work WHERE stage < 2) AS done")
    return rows[0]?.done === true
  },
  work: async ({ url, onCall }) => {
    const { record, calls } = recorder(onCall)
    const pool = new Pool({ connectionString: url, max: 3 })
    const stopping = new AbortController()
    const loop = async () => {
      while (!stopping.signal.aborted) {
        const { rows } = await pool.query({ name: "claim", text: claim })
        for (const { due } of rows) record(Number(due))
        if (rows.length === 0) await setTimeout(20)
        else await pool.query({ name: "complete", text: complete, values: [rows.map(({ id }) => id)] })
      }
    }
    const loops = Promise.all([loop(), loop(), loop()])
    return {
      calls,
      stop: async () => {
        stopping.abort()
        await loops
        await pool.end()
      }
    }
  }
}
