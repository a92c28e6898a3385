import { isShared } from "../domain/operations/operatorName.ts"
import { type Check, ok, warning } from "./Check.ts"

/** Who would be recorded with a change that is made from here. */
export interface OperatorFacts {
  readonly account: string
  /** PULSE_OPERATOR, if it is set. */
  readonly person: string | null
  /** Whether commands without a name are refused. */
  readonly isRequired: boolean
}

/** A WARNING when an account that many share, such as that of a container, would be all that is recorded. */
export const operatorCheck = ({ account, isRequired, person }: OperatorFacts): Check => {
  const name = "operator"
  if (person !== null) return ok(name, `what is done from here is recorded as done by ${person}`)
  if (isRequired) return ok(name, "commands that change something ask who you are")
  return isShared(account)
    ? warning(
        name,
        `what is done from here is recorded as done by ${account}, which tells nobody who it was`,
        "Type --as NAME with each command, or set PULSE_OPERATOR; OPERATOR_REQUIRED=on refuses commands without a name"
      )
    : ok(name, `what is done from here is recorded as done by ${account}`)
}
