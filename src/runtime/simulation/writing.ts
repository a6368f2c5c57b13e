/**
 * One write of the simulation: its body leaves piece by piece, the service carries it out, an answer comes back.
 *
 * Invariants:
 * 1. Each piece is read out of the request's body at a step of its own, and none once the write has resolved or the exit of
 *    its thread was seen.
 * 2. What has left as a whole is carried out, whatever has become of the thread and of the stop meanwhile; what has not
 *    never is.
 */
import { ErrorCode } from '../../protocol/errors.js';
import { StopState, type StopSignal } from '../../protocol/stop.js';
import { CANCELLED, Outcome, type Answer } from '../../protocol/store.js';
import type { WriteRequest, WriteResult } from '../../protocol/writes.js';
import { answerOfCallFault, spoiled } from './faults.js';
import type { SimOrigin, SimWrite } from './origin.js';
import { carryOut, keyOfWrite } from './service.js';
import type { SimWorld } from './worker.js';

export interface WriteAttempt {
  readonly request: WriteRequest;
  readonly stop: StopSignal;
  readonly snapshotVersion: number;
  done(answer: Answer<WriteResult>): void;
}

export class Writing {
  readonly #world: SimWorld;
  readonly #origin: SimOrigin;
  readonly #attempt: WriteAttempt;
  readonly #record: SimWrite;
  readonly #source: Uint8Array;
  /** What has left. */
  readonly #body: Uint8Array;
  #sent = 0;
  #sending = true;
  #stopping = false;
  #cancelDevice: () => void = () => {};
  #unlink: () => void = () => {};

  constructor(world: SimWorld, origin: SimOrigin, attempt: WriteAttempt) {
    this.#world = world;
    this.#origin = origin;
    this.#attempt = attempt;
    const { request, stop } = attempt;
    this.#source = 'body' in request ? request.body : new Uint8Array();
    this.#body = new Uint8Array(this.#source.length);
    this.#record = {
      worker: world.name,
      kind: request.kind,
      key: keyOfWrite(request),
      beganAtMs: world.now(),
      stateAtStart: stop.state,
      stop,
      applied: false,
      upload: 'upload' in request ? request.upload : null,
      outcome: null,
    };
  }

  begin(): void {
    this.#origin.writes.push(this.#record);
    if (this.#attempt.stop.state === StopState.Cancelled) return this.#end(CANCELLED);
    this.#send();
    this.#unlink = this.#attempt.stop.onStop(() => this.#stop());
    if (this.#record.outcome !== null) this.#unlink();
  }

  #send(): void {
    const { kind, key } = this.#record;
    this.#cancelDevice = this.#world.device(`${key} ${kind} leaves`, this.#delayMs(), () => {
      const { length } = this.#body;
      const least = Math.ceil(length / this.#origin.maxPieces);
      const piece = length - this.#world.between(0, length - least, 'what a piece leaves out');
      const end = Math.min(length, this.#sent + piece);
      this.#body.set(this.#source.subarray(this.#sent, end), this.#sent);
      this.#sent = end;
      if (this.#stopping) return this.#complete(CANCELLED);
      if (end < length) return this.#send();
      this.#sending = false;
      this.#world.service(`${key} ${kind} arrives`, this.#delayMs(), () => this.#arrive());
    });
  }

  /** The request has reached the service. */
  #arrive(): void {
    const { key, kind } = this.#record;
    const { request, snapshotVersion } = this.#attempt;
    if (snapshotVersion < this.#origin.leastSnapshot)
      return this.#complete(spoiled(Outcome.StaleCredentials, key, ErrorCode.Unauthenticated));
    const storm = this.#origin.stormAt(this.#world.now());
    if (storm !== null) {
      const answer = spoiled(Outcome.Throttled, key, ErrorCode.Throttled);
      return this.#complete({ ...answer, retryAfterMs: storm.retryAfterMs ?? 0 });
    }
    const fault = this.#origin.takeCallFault(kind, key);
    const carriesOut = fault === null || ('applied' in fault && fault.applied);
    const answer = carriesOut ? carryOut(this.#origin, request, this.#body) : null;
    if (answer !== null && answer.outcome === Outcome.Complete) {
      this.#record.applied = true;
      this.#record.upload ??= answer.value?.upload ?? null;
    }
    this.#origin.onWrite(this.#record);
    const told = fault === null ? answer : answerOfCallFault(fault, key);
    if (told !== null) this.#complete(told);
  }

  #stop(): void {
    if (this.#origin.slowCancel && this.#sending) this.#stopping = true;
    else this.#end(CANCELLED);
  }

  #delayMs(): number {
    const [least, most] = this.#origin.latencyMs;
    return this.#world.between(least, most, 'a write');
  }

  #complete(answer: Answer<WriteResult>): void {
    const { key, kind } = this.#record;
    this.#world.complete(`${key} ${kind} ${answer.outcome}`, () => this.#end(answer));
  }

  #end(answer: Answer<WriteResult>): void {
    if (this.#record.outcome !== null) return;
    this.#record.outcome = answer.outcome;
    this.#cancelDevice();
    this.#unlink();
    this.#attempt.done(answer);
  }
}
