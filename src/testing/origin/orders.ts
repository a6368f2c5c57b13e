/**
 * The wire between an origin's process and its parent: numbered orders, and their answers.
 */
import type { OriginOptions, OriginPolicy } from './options.js';
import type { Condition, LoggedRequest, OriginStats } from './records.js';
import type { ConnectionRule, Rule } from './rules.js';

/** What an origin is given at the start; the certificate in place of `secure`. */
export interface Given extends Omit<OriginOptions, 'secure'> {
  /** PEM texts; without them, plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

/** What the process does when it is told; what throws or rejects is answered as an error. */
export interface Orders {
  /** Comes first, and once. */
  start(given: Given): Promise<{ port: number }>;
  stop(): Promise<void>;
  script(rules: ReadonlyArray<Rule | ConnectionRule>): void;
  configure(patch: OriginPolicy): void;
  expire(id: string): void;
  bump(bucket: string, key?: string, size?: number): void;
  mark(): Promise<number>;
  requests(): readonly LoggedRequest[];
  stats(): OriginStats;
  release(): number;
  closeIdle(withReset: boolean): number;
  reset(): Promise<void>;
  waitFor(condition: Condition): Promise<void>;
}

export type OrderName = keyof Orders;

export interface Order {
  readonly id: number;
  readonly order: OrderName;
  readonly args: readonly unknown[];
}

/** `error` is the message of what was thrown; absent where all went well. */
export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}
