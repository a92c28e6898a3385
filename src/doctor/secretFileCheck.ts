import { type Check, ok, warning } from "./Check.ts"

/** A WARNING when every account of this host may read the file of a secret; `names` are the variables that name such files. */
export const secretFileCheck = (names: ReadonlyArray<string>): Check => {
  const name = "secret files"
  return names.length === 0
    ? ok(name, "no secret stands in a file that every account of this host may read")
    : warning(
        name,
        `every account of this host may read the file of ${names.join(", ")}`,
        "chmod 600 it, and have it belong to the daemon's account"
      )
}
