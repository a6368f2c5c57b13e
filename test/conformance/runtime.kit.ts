/** What the suite asks of a runtime, and what it notes about a worker. */
import type { SupervisorContext, WorkerExit, WorkerLink } from '../../dist/protocol/context.js';
import { NEVER } from '../../dist/protocol/stop.js';

/** A runtime with one kind of actor. */
export interface Bench {
  /** Its `spawn` starts the named actor. */
  readonly context: SupervisorContext;
  readonly arena: SharedArrayBuffer;
  /** Lets the world go on until `condition` holds. It is looked at whenever `changed` was called. */
  until(condition: () => boolean): Promise<void>;
  /** Something that a condition looks at has changed. */
  changed(): void;
}

export type OpenBench = (actor: string) => Bench;

/** A worker, and everything that came from it, in order. */
export class Watched {
  readonly link: WorkerLink;
  readonly heard: { readonly kind: string; readonly [key: string]: unknown }[] = [];
  readonly results: number[] = [];
  readonly exits: WorkerExit[] = [];
  /** How many of the results were found only at the exit. */
  found = 0;
  readonly #bench: Bench;
  readonly #settled = new Set<Promise<unknown>>();

  constructor(bench: Bench, options: { readonly listen?: boolean } = {}) {
    this.#bench = bench;
    this.link = bench.context.spawn(0, 0);
    this.link.control.onMessage((message) => {
      this.heard.push(message);
      bench.changed();
    });
    if (options.listen !== false) this.listen();
    this.link.onExit((exit) => {
      this.exits.push(exit);
      const pending = this.link.results.takePending() as unknown as { n: number }[];
      this.found += pending.length;
      for (const { n } of pending) this.results.push(n);
      bench.changed();
    });
  }

  listen(): void {
    this.link.results.listen((message) => {
      this.results.push((message as unknown as { n: number }).n);
      this.#bench.changed();
    });
  }

  tell(kind: string): void {
    this.link.control.post({ kind } as never);
  }

  trySend(n: number): string {
    return this.link.jobs.trySend({ n } as never);
  }

  send(n: number): Promise<string> {
    return this.link.jobs.send({ n } as never, NEVER);
  }

  /** Lets the world go on until the actor has said so. */
  async untilHeard(kind: string): Promise<void> {
    await this.#bench.until(() => this.heard.some((message) => message.kind === kind));
  }

  async untilResults(count: number): Promise<void> {
    await this.#bench.until(() => this.results.length >= count);
  }

  async untilExit(): Promise<WorkerExit> {
    await this.#bench.until(() => this.exits.length > 0);
    return this.exits[0]!;
  }

  /** Ends the actor, with whatever it still has. */
  async stop(): Promise<void> {
    this.tell('stop');
    await this.untilExit();
  }

  /** What a promise comes to; the world goes on meanwhile. */
  async outcome<T>(promise: Promise<T>): Promise<T> {
    const settled = (): void => {
      this.#settled.add(promise);
      this.#bench.changed();
    };
    promise.then(settled, settled);
    await this.#bench.until(() => this.#settled.has(promise));
    return promise;
  }
}

export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
