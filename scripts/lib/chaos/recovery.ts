import { Effect, Schema } from "effect"
import { Db } from "../../../src/db/Db.ts"
import { numbers, texts } from "../../../src/db/parameters.ts"
import { quantile } from "../../../src/domain/numbers/quantile.ts"
import type { Hit } from "./daemons.ts"

/** Creates triggers that record each change of stage of each slice, with the time of the database. */
export const noteSteps = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* execute(
    "chaos.steps",
    sql`CREATE TABLE chaos_steps (
      number bigserial PRIMARY KEY, slice_id text NOT NULL, stage text NOT NULL, claimed_by text, at timestamptz NOT NULL)`
  )
  yield* execute(
    "chaos.note",
    sql`CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO chaos_steps (slice_id, stage, claimed_by, at)
        SELECT id, TG_ARGV[0], (SELECT owner FROM slice_claims WHERE slice_claims.id = abs(NEW.claim)), clock_timestamp()
        FROM slice_plan WHERE slice = NEW.slice;
        RETURN NULL;
      END $$`
  )
  for (const [name, event, stage] of [
    ["claimed", "UPDATE ON slice_queue FOR EACH ROW WHEN (OLD.claim = 0 AND NEW.claim <> 0)", "IN_PROGRESS"],
    ["back", "UPDATE ON slice_queue FOR EACH ROW WHEN (OLD.claim <> 0 AND NEW.claim = 0)", "SCHEDULED"],
    ["working", "INSERT ON slice_working FOR EACH ROW", "PROCESSED"],
    ["processed", "INSERT ON slice_results FOR EACH ROW WHEN (NEW.stage = 'P')", "PROCESSED"],
    ["failed", "INSERT ON slice_results FOR EACH ROW WHEN (NEW.stage = 'F')", "FAILED"],
    ["skipped", "INSERT ON slice_results FOR EACH ROW WHEN (NEW.stage = 'S')", "SKIPPED"]
  ] as const) {
    yield* execute(
      "chaos.trigger",
      sql.unsafe(`CREATE TRIGGER chaos_${name} AFTER ${event} EXECUTE FUNCTION chaos_note('${stage}')`)
    )
  }
})

const Recovery = Schema.Struct({
  hit: Schema.Int,
  slices: Schema.Int,
  placedAgain: Schema.Int,
  /** Until the last of the victim's claims ended: the slice PROCESSED, FAILED, or certainly not placed and SCHEDULED again. */
  resolvedMillis: Schema.NullOr(Schema.Finite),
  /** Until the last of these slices was finished, later incidents included. */
  doneMillis: Schema.NullOr(Schema.Finite)
})

/** The recovery of each hit that left claimed slices behind. `hit` is the index in `hits`, counted from 1. */
const recoveries = Effect.fnUntraced(function* (hits: ReadonlyArray<Hit>) {
  const { sql, query } = yield* Db
  return yield* query(
    "chaos.recoveries",
    Recovery,
    sql`
      WITH step AS (
        SELECT slice_id, stage, claimed_by, extract(epoch FROM at) * 1000 AS at, lead(stage) OVER w AS next_stage,
          lead(extract(epoch FROM at) * 1000) OVER w AS left_at
        FROM chaos_steps WINDOW w AS (PARTITION BY slice_id ORDER BY number)
      ), claim AS (
        SELECT *, regexp_replace(claimed_by, '[^-]*$', '') AS owner FROM step WHERE stage = 'IN_PROGRESS'
      ), done AS (
        SELECT slice_id, max(left_at) AS at FROM claim GROUP BY slice_id
      ), hit AS (
        SELECT * FROM unnest(
          ${texts(hits.map(({ owner }) => owner))},
          ${numbers(hits.map(({ startedAtMillis }) => startedAtMillis))},
          ${numbers(hits.map(({ hitAtMillis }) => hitAtMillis))}
        ) WITH ORDINALITY AS h (owner, started_at, hit_at, number)
      )
      SELECT h.number::int AS hit, count(*)::int AS slices,
        count(*) FILTER (WHERE c.next_stage = 'SCHEDULED')::int AS placed_again,
        CASE WHEN bool_and(c.left_at IS NOT NULL) THEN max(c.left_at - h.hit_at)::float8 END AS resolved_millis,
        CASE WHEN bool_and(c.left_at IS NOT NULL) THEN max(d.at - h.hit_at)::float8 END AS done_millis
      FROM hit h
      -- A statement that was with the server when its daemon was hit is carried out.
      JOIN claim c ON c.owner = h.owner AND c.at BETWEEN h.started_at AND h.hit_at + 1000
        AND (c.left_at IS NULL OR c.left_at > h.hit_at)
      JOIN done d ON d.slice_id = c.slice_id
      GROUP BY h.number`
  )
})

const seconds = (millis: number | null) => (millis === null ? null : Math.round(millis / 100) / 10)

const percentiles = (millis: ReadonlyArray<number | null>) => {
  const sorted = millis.filter((value) => value !== null).toSorted((a, b) => a - b)
  const at = (share: number) => seconds(quantile(sorted, share))
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

export interface SharedOutage {
  readonly fromMillis: number
  readonly toMillis: number
}

/** Figures about the recovery from hits of one kind, times in seconds. */
export const recoveryOf = Effect.fnUntraced(function* (
  all: ReadonlyArray<Hit>,
  kind: Hit["kind"],
  outages: ReadonlyArray<SharedOutage>
) {
  const hits = all.filter((hit) => hit.kind === kind)
  const rows = yield* recoveries(hits)
  const isDisturbed = ({ hit, resolvedMillis }: typeof Recovery.Type) => {
    const from = hits[hit - 1]?.hitAtMillis ?? 0
    const to = from + (resolvedMillis ?? Infinity)
    return outages.some((outage) => outage.fromMillis < to && outage.toMillis > from)
  }
  const undisturbed = rows.filter((row) => !isDisturbed(row))
  return {
    hits: hits.length,
    withSlices: rows.length,
    slices: rows.reduce((sum, row) => sum + row.slices, 0),
    scheduledAgain: rows.reduce((sum, row) => sum + row.placedAgain, 0),
    neverResolved: rows.filter(({ resolvedMillis }) => resolvedMillis === null).length,
    resolvedSeconds: percentiles(rows.map(({ resolvedMillis }) => resolvedMillis)),
    /** Only hits during whose recovery both the database and the broker were there. */
    undisturbed: {
      hits: undisturbed.length,
      resolvedSeconds: percentiles(undisturbed.map((row) => row.resolvedMillis))
    },
    doneSeconds: percentiles(rows.map(({ doneMillis }) => doneMillis))
  }
})
