export const backlogGroupKinds = [
  "pending",
  "splitting",
  "doubt",
  "lost",
  "expired",
  "held",
  "respread",
  "hours",
  "unknown kind",
  "unclaimed"
] as const
