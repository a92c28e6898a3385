import { Client } from "pg"
import type { BenchDatabase } from "../harness/Bench.ts"

/** Runs a scenario while a transaction with an old snapshot is open, so that vacuum cannot remove dead rows. */
export const heldTransaction = async <A>({ url }: BenchDatabase, run: () => Promise<A>): Promise<A> => {
  const holder = new Client({ connectionString: url })
  await holder.connect()
  try {
    await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await holder.query("SELECT count(*) FROM orders")
    return await run()
  } finally {
    await holder.end()
  }
}
