/** How often a test tries something at random: `full` times, or the `few` that show a mutant, whose code is many times as slow. */
export function tries(full: number, few: number): number {
  return process.env.MUTATION_ROOM === undefined ? full : few;
}
