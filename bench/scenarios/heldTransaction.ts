import { Client } from "pg"
import type { BenchDatabase } from "../harness/Bench.ts"

/** Meanwhile somebody has a transaction open that sees the database as it was: no dead row can be removed. */
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
