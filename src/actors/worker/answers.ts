/** Questions that a worker is asked one by one, each with an attempt at it and a message for its answer. */
import type { MillraceError } from '../../protocol/errors.js';
import type { HeadMessage, ListMessage, ResultMessage, WriteMessage } from '../../protocol/messages.js';
import type { StopSignal } from '../../protocol/stop.js';
import type { Answer, KeyPage, ObjectInfo, Store } from '../../protocol/store.js';
import type { WriteResult } from '../../protocol/writes.js';
import type { Asked } from './asking.js';
import { UNSIZED } from './latency.js';
import { attemptWrite } from './writes.js';

export type QuestionMessage = ListMessage | HeadMessage | WriteMessage;

type Value = KeyPage | ObjectInfo | WriteResult;

export function attemptAt(
  message: QuestionMessage,
  store: Store,
  stop: StopSignal,
  earlier: boolean,
): Promise<Answer<Value>> {
  if (message.kind === 'head') return store.head(message.key, stop);
  if (message.kind === 'write') return attemptWrite(store, message.request, stop, earlier);
  const { prefix, delimiter, continuation, limit } = message;
  return store.list({ prefix, delimiter, continuation, limit }, stop);
}

/** What stands for the bytes of an attempt at it: it moves none. */
export function bytesOf(message: QuestionMessage): number {
  return UNSIZED[message.kind === 'write' ? message.request.kind : message.kind];
}

export function answerTo(
  message: QuestionMessage,
  { status, value, error }: Pick<Asked<Value>, 'status' | 'value' | 'error'>,
): ResultMessage {
  const answer = { jobId: message.jobId, status, error: wire(error) };
  switch (message.kind) {
    case 'list':
      return { kind: 'page', page: value as KeyPage | null, ...answer };
    case 'head':
      return { kind: 'info', info: value as ObjectInfo | null, ...answer };
    case 'write': {
      const result = value as WriteResult | null;
      const failures = (result?.failures ?? []).map(([index, failed]) => [index, failed.toWire()] as const);
      return { kind: 'written', result: result && { ...result, failures: [] }, failures, ...answer };
    }
  }
}

function wire(error: MillraceError | null): ReturnType<MillraceError['toWire']> | null {
  return error?.toWire() ?? null;
}
