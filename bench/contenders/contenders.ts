import { bareSql } from "./bareSql.ts"
import type { Contender } from "./Contender.ts"
import { graphileWorker } from "./graphileWorker.ts"
import { persistedQueue } from "./persistedQueue.ts"
import { pgBoss } from "./pgBoss.ts"
import { pulse } from "./pulse.ts"

export const contenders = { pulse, graphileWorker, pgBoss, persistedQueue, bareSql } satisfies Record<string, Contender>

export type ContenderName = keyof typeof contenders
