/**
 * Carries out the revoking of fetch jobs, wherever the job is by then: on its way here, in the backlog, in a lane, or over.
 *
 * Invariants:
 * 1. A job that is revoked before its bytes are there is reported without waiting for anything but the end of its attempt.
 * 2. What is kept of a job that has not come is forgotten when it comes: ids grow, so one that is not larger than the last
 *    that came is here or over.
 */
import type { JobMessage } from '../../protocol/messages.js';
import { Job, JOB_STRIDE } from '../../protocol/tables.js';
import type { Schedule } from './schedule.js';

/** What a lane offers. */
export interface RevocableLane {
  readonly id: number;
  /** Whether its bytes are not there yet. */
  readonly reading: boolean;
  revoke(): void;
}

export class Revocations {
  readonly #schedule: Pick<Schedule, 'handBackHedge' | 'turned'>;
  readonly #lanes: readonly RevocableLane[];
  readonly #early = new Set<number>();
  #lastId = 0;

  constructor(schedule: Pick<Schedule, 'handBackHedge' | 'turned'>, lanes: readonly RevocableLane[]) {
    this.#schedule = schedule;
    this.#lanes = lanes;
  }

  revoke(job: number): void {
    // There is no order between two ports.
    if (job > this.#lastId) return void this.#early.add(job);
    const lane = this.#lanes.find(({ id, reading }) => reading && id === job);
    if (lane === undefined) return this.#schedule.handBackHedge(job);
    lane.revoke();
    // It may be one that waits for its origin.
    this.#schedule.turned();
  }

  /** A message has come, and is in the backlog. */
  came(message: JobMessage): void {
    if (message.kind !== 'fetch' || message.table.count === 0) return;
    const { cells, count } = message.table;
    this.#lastId = cells[(count - 1) * JOB_STRIDE + Job.Id]!;
    if (this.#early.size > 0 && this.#early.delete(this.#lastId)) this.revoke(this.#lastId);
  }
}
