import type { Contender } from "./Contender.ts"
import { bareSql } from "./contenders/bareSql.ts"
import { graphileWorker } from "./contenders/graphileWorker.ts"
import { persistedQueue } from "./contenders/persistedQueue.ts"
import { pgBoss } from "./contenders/pgBoss.ts"
import { pulse } from "./contenders/pulse.ts"

export const contenders = { pulse, graphileWorker, pgBoss, persistedQueue, bareSql } satisfies Record<string, Contender>

export type ContenderName = keyof typeof contenders
