/** An input that was judged to be wrong once, and what the service did with it before its mistake was mended. */
export interface Case<Input> {
  readonly input: Input
  readonly bug: string
}
