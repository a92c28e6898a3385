import { Pool } from "pg"
import { chunksOf, wallClockMillis } from "./Contender.ts"

/*
 * What a user of a plain queue adds to it for this service's guarantees, in SQL of their own. The queue already commits a claim
 * before the handler runs: its lock is the lease, and its count of attempts the version. The handler then
 *
 *   1. reads the stop flags (the slice's state, cancel and hold of its order, the halt of everything) before the call, as
 *      this service does after its claim;
 *   2. calls the broker;
 *   3. writes the outcome where no other attempt has done so, and the audit row of the call, in one statement, before the
 *      queue completes the job. So a crash between the two shows as a job that runs again and finds its slice done.
 *
 * Both statements take as many slices at a time as the queue gives at once: 500 with pg-boss, one with graphile-worker. This is
 * the least that gives "no second outcome, every call on record, stopped means stopped", and less than this service does: nobody
 * looks up in the broker's order list what became of a call whose outcome was not written, so such a slice is placed again. The
 * tables favour the peers: half-filled pages, so that no index is written with an outcome, and one index on the audit, as here.
 */
export const prepareSameWork = async (url: string): Promise<void> => {
  const pool = new Pool({ connectionString: url })
  await pool.query(`
    CREATE TABLE same_orders (id bigint PRIMARY KEY, cancel_requested_at timestamptz, hold_reason text);
    CREATE TABLE same_halts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, is_halted boolean NOT NULL);
    CREATE TABLE same_slices (
      id bigint PRIMARY KEY, order_id bigint NOT NULL, due_at timestamptz NOT NULL, quantity integer NOT NULL, tag text NOT NULL,
      status text NOT NULL DEFAULT 'SCHEDULED', attempt integer NOT NULL DEFAULT 0, broker_order_id text, placed_at timestamptz,
      acknowledged_at timestamptz
    ) WITH (fillfactor = 50);
    CREATE INDEX same_slices_by_order ON same_slices (order_id);
    CREATE TABLE same_calls (
      slice bigint NOT NULL, called_at timestamptz NOT NULL, duration_millis float8 NOT NULL, attempt integer NOT NULL,
      call "char" NOT NULL, broker text NOT NULL, broker_order_id text);
    CREATE INDEX same_calls_by_slice ON same_calls (slice)`)
  await pool.end()
}

const slicesPerOrder = 100

/** The slices of jobs that are due at these times: the slice `n` belongs to the job `n`, from 1. */
export const putSameSlices = async (pool: Pool, dueMillis: ReadonlyArray<number>): Promise<void> => {
  await pool.query("INSERT INTO same_orders (id) SELECT generate_series(0, $1::int)", [
    Math.ceil(dueMillis.length / slicesPerOrder)
  ])
  await pool.query(
    `INSERT INTO same_slices (id, order_id, due_at, quantity, tag)
     SELECT n, n / ${slicesPerOrder}, to_timestamp(due / 1000), 10, 'tag' || lpad(to_hex(n), 8, '0')
     FROM unnest($1::float8[]) WITH ORDINALITY AS t (due, n)`,
    [dueMillis]
  )
}

const check = `
  SELECT s.id::text AS id, s.tag FROM unnest($1::bigint[]) AS i (id)
  JOIN same_slices s ON s.id = i.id
  JOIN same_orders o ON o.id = s.order_id
  WHERE s.status = 'SCHEDULED' AND o.cancel_requested_at IS NULL AND o.hold_reason IS NULL
    AND (SELECT is_halted FROM same_halts ORDER BY id DESC LIMIT 1) IS NOT TRUE`

const writeOutcomes = `
  WITH input AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::float8[], $5::float8[])
      AS i (id, attempt, broker_order_id, called_millis, duration_millis)
  ), audit AS (
    INSERT INTO same_calls (slice, called_at, duration_millis, attempt, call, broker, broker_order_id)
    SELECT id, to_timestamp(called_millis / 1000), duration_millis, attempt, 'p', 'mock', broker_order_id FROM input
  )
  UPDATE same_slices s SET
    status = 'PROCESSED', attempt = i.attempt, broker_order_id = i.broker_order_id,
    placed_at = to_timestamp(i.called_millis / 1000), acknowledged_at = to_timestamp((i.called_millis + i.duration_millis) / 1000)
  FROM input i
  WHERE s.id = i.id AND s.status = 'SCHEDULED' AND s.attempt < i.attempt`

export interface SameJob {
  readonly dueMillis: number
  readonly slice: number
  readonly attempt: number
}

/** Works on jobs that the queue gave at once; `place` is the broker. */
export const sameWork = (url: string, place: (dueMillis: number) => void) => {
  const pool = new Pool({ connectionString: url, max: 20 })
  return {
    handle: async (jobs: ReadonlyArray<SameJob>): Promise<void> => {
      const { rows } = await pool.query({ name: "check", text: check, values: [jobs.map(({ slice }) => slice)] })
      const tags = new Map(rows.map(({ id, tag }) => [Number(id), String(tag)]))
      const calls = jobs
        .filter(({ slice }) => tags.has(slice))
        .map((job) => {
          const calledMillis = wallClockMillis()
          place(job.dueMillis)
          return { ...job, calledMillis, durationMillis: wallClockMillis() - calledMillis }
        })
      const values = [
        calls.map(({ slice }) => slice),
        calls.map(({ attempt }) => attempt),
        calls.map(({ slice }) => `bench-${tags.get(slice)}`),
        calls.map(({ calledMillis }) => calledMillis),
        calls.map(({ durationMillis }) => durationMillis)
      ]
      if (calls.length > 0) await pool.query({ name: "write", text: writeOutcomes, values })
    },
    end: () => pool.end()
  }
}

/** Handles each by itself. */
export const oneByOne =
  <A>(_: number, handle: (all: ReadonlyArray<A>) => Promise<void>) =>
  (one: A): Promise<void> =>
    handle([one])

/** Handles what is asked for in one turn of the event loop at once, in groups of up to `size`. */
export const inGroups = <A>(size: number, handle: (all: ReadonlyArray<A>) => Promise<void>) => {
  let waiting: Array<{ readonly one: A; readonly done: (result: Promise<void>) => void }> = []
  const flush = () => {
    for (const group of chunksOf(waiting, size)) {
      const handled = handle(group.map(({ one }) => one))
      for (const { done } of group) done(handled)
    }
    waiting = []
  }
  return (one: A): Promise<void> =>
    new Promise((resolve) => {
      waiting.push({ one, done: resolve })
      if (waiting.length === 1) setImmediate(flush)
    })
}
