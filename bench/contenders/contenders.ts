import { bareSql } from "./bareSql.ts"
import type { Contender } from "./Contender.ts"
import { graphileGroupedWork, graphileSameWork, graphileWorker } from "./graphileWorker.ts"
import type { ContenderName } from "./labels.ts"
import { persistedQueue } from "./persistedQueue.ts"
import { pgBoss, pgBossSameWork } from "./pgBoss.ts"
import { pulse } from "./pulse.ts"

export const contenders: Readonly<Record<ContenderName, Contender>> = {
  pulse,
  graphileWorker,
  graphileSameWork,
  graphileGroupedWork,
  pgBoss,
  pgBossSameWork,
  persistedQueue,
  bareSql
}
