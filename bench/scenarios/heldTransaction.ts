import { Client } from "pg"
import { type BenchDatabase, benchName } from "../harness/Bench.ts"

/** Runs a scenario while a transaction with an old snapshot is open, so that vacuum cannot remove dead rows. */
export const heldTransaction = async <A>({ url }: BenchDatabase, run: () => Promise<A>): Promise<A> => {
  const holder = new Client({ connectionString: url, application_name: benchName })
  await holder.connect()
  try {
    await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await holder.query("SELECT count(*) FROM pg_class")
    return await run()
  } finally {
    await holder.end()
  }
}
