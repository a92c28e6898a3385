import { Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { counted } from "../../domain/text/plural.ts"
import type { SealHead } from "../../stores/operations/AuditStore.ts"
import { type AuditFault, AuditVerifyStore } from "../../stores/operations/AuditVerifyStore.ts"
import { CommandFailed, CommandLayer, json, print } from "../shared/environment.ts"
import { limitFlag, maxIdLength, textFlag } from "../shared/flags.ts"
import { table } from "../terminal/table.ts"

const headOf = (text: string): Option.Option<SealHead> => {
  const [, number, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text.trim().toLowerCase()) ?? []
  return number === undefined || hash === undefined ? Option.none() : Option.some({ number: Number(number), hash })
}

export const auditVerifyCommand = Command.make(
  "verify",
  {
    head: textFlag("head", maxIdLength).pipe(
      Flag.filterMap(headOf, () => "NUMBER:HASH, as audit verify and the daemons' logs show it"),
      Flag.withMetavar("NUMBER:HASH"),
      Flag.withDescription("A seal that was written down elsewhere: everything up to it must still be as it was then"),
      Flag.optional
    ),
    limit: limitFlag,
    json
  },
  Effect.fnUntraced(
    function* ({ head, json, limit }) {
      const store = yield* AuditVerifyStore
      const verified = yield* store.verify({ known: Option.toArray(head), limit })
      yield* print(json, { ...verified, head: shownHead(verified.head) }, () =>
        verifiedText(verified, Option.getOrNull(head))
      )
      if (verified.faultCount > 0) {
        return yield* new CommandFailed({
          message: `${counted(verified.faultCount, "row")} of the audit${verified.faultCount === 1 ? " is" : " are"} not as sealed`
        })
      }
    },
    Effect.provide(AuditVerifyStore.layer.pipe(Layer.provideMerge(CommandLayer)))
  )
).pipe(
  Command.withDescription(
    "Compare halts, operators' actions and broker calls with their seals; exit 0 if nothing was changed, removed or inserted"
  )
)

const shownHead = ({ hash, number }: SealHead): string | null => (number === 0 ? null : `${number}:${hash}`)

type Verified = Effect.Success<ReturnType<AuditVerifyStore["Service"]["verify"]>>

const verifiedText = (
  { faults, faultCount, head, tables }: Verified,
  known: SealHead | null
): ReadonlyArray<string> => [
  ...table(
    ["TABLE", "COMPARED", "REMOVED BY PRUNE", "NOT SEALED YET"],
    tables.map(({ pruned, rows, table, unsealed }) => [table, `${rows}`, `${pruned}`, `${unsealed}`])
  ),
  "",
  shownHead(head) === null ? "Nothing is sealed yet, so no row was compared" : `Sealed up to ${shownHead(head) ?? ""}`,
  ...tables.flatMap(({ late, table }) =>
    late.length === 0
      ? []
      : [`${table}: ${late.join(", ")} tell a time long before they were written: after an outage, or back-dated`]
  ),
  ...(faultCount === 0
    ? head.number === 0
      ? []
      : [
          `Nothing was changed, removed or inserted${known === null ? "" : `, and seal ${known.number} is the one given`}`
        ]
    : ["", ...faultTable(faults), ...(faultCount > faults.length ? [`and ${faultCount - faults.length} more`] : [])])
]

const faultTable = (faults: ReadonlyArray<AuditFault>): ReadonlyArray<string> =>
  table(
    ["TABLE", "ROW", "WAS", "SEAL"],
    faults.map(({ change, id, seal, table }) => [
      table,
      id === null ? "?" : `${id}`,
      change,
      seal === null ? "" : `${seal}`
    ])
  )
