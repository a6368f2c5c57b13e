/**
 * Questions to a worker, over comlink: statistics and nothing else. Shutdown would be the same without this file.
 *
 * comlink leaves a call unsettled for ever when the other side is gone, so every call is raced with the end of its
 * worker and with a time-out. Its main (UMD) build is used on both sides: the two builds do not understand each other.
 */
import { createRequire } from 'node:module';
import type { MessagePort } from 'node:worker_threads';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';

interface Comlink {
  wrap(port: unknown): Record<string, () => Promise<unknown>>;
  expose(api: unknown, port: unknown): void;
}

const comlink = createRequire(import.meta.url)('comlink') as Comlink;

const ANSWER_TIMEOUT_MS = 2000;

export function answerQuestions(port: MessagePort, questions: Record<string, () => unknown>): void {
  comlink.expose(questions, port);
  // Waiting for a question must not keep a worker's thread, or the process, alive.
  port.unref();
}

export class Asker {
  readonly #port: MessagePort;
  readonly #name: string;
  readonly #open = new Set<(error: MillraceError) => void>();
  /** Held for as long as the worker lives: comlink closes the port of a proxy that was collected. */
  #api: Record<string, () => Promise<unknown>> | null;

  constructor(port: MessagePort, name: string) {
    this.#port = port;
    this.#name = name;
    this.#api = comlink.wrap(port);
    port.unref();
  }

  /** Rejects with `WorkerCrashed` when the worker ends, with `TimedOut` when it does not answer. */
  ask(question: string): Promise<unknown> {
    // No function below may see the proxy itself: they wait at its port, which lives until the proxy is collected.
    const call = this.#api?.[question]!();
    if (call === undefined) return Promise.reject(ended(this.#name));
    // Wait ends: with the answer, the end of the worker (close), or the timer.
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#open.delete(fail);
      };
      const fail = (error: MillraceError): void => {
        end();
        reject(error);
      };
      const timer = setTimeout(() => {
        fail(
          new MillraceError(
            ErrorCode.TimedOut,
            `${this.#name} did not answer within ${ANSWER_TIMEOUT_MS} ms`,
          ),
        );
      }, ANSWER_TIMEOUT_MS);
      this.#open.add(fail);
      call.then(
        (answer) => {
          end();
          resolve(answer);
        },
        (error: unknown) => {
          fail(new MillraceError(ErrorCode.Internal, `${this.#name} could not answer`, { cause: error }));
        },
      );
    });
  }

  close(): void {
    // Until the proxy is collected, comlink holds the port, and the port holds calls without an answer: these wait here.
    this.#api = null;
    for (const fail of this.#open) fail(ended(this.#name));
    this.#port.close();
  }
}

function ended(name: string): MillraceError {
  return new MillraceError(ErrorCode.WorkerCrashed, `${name} ended before it answered`);
}
