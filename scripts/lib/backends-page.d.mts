import type { Column, Limits } from '../../test/conformance/columns.mjs';

/** One test, as vitest's JSON has it. */
export interface Result {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: string;
}
export function suiteName(column: Column): string;
export function renderBackends(columns: readonly Column[], limits: readonly Limits[]): string;
export function disproofs(columns: readonly Column[], results: readonly Result[]): string[];
