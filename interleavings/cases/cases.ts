import type { Case } from "../harness/Case.ts"
import { amendmentCases } from "./amendments.ts"
import { auditCases } from "./audit.ts"
import { brokerCases } from "./broker.ts"
import { claimCases } from "./claims.ts"
import { daemonCases } from "./daemons.ts"
import { historyCases } from "./history.ts"
import { operatorCases } from "./operators.ts"
import { participationCases } from "./participation.ts"
import { replanCases } from "./replans.ts"
import { retentionCases } from "./retention.ts"
import { splitCases } from "./splits.ts"
import { stopCases } from "./stops.ts"

export const cases: ReadonlyArray<Case> = [
  ...claimCases,
  ...brokerCases,
  ...stopCases,
  ...splitCases,
  ...amendmentCases,
  ...replanCases,
  ...operatorCases,
  ...retentionCases,
  ...daemonCases,
  ...historyCases,
  ...auditCases,
  ...participationCases
]
