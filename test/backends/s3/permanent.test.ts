/** Which failures of an exchange are worth another attempt: the same for bytes, for facts and for listings. */
import { describe, expect, it } from 'vitest';
import { type ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { Exchange } from '../../../dist/protocol/http.js';
import { data, exchange, NOW, request, utf8 } from './kit.js';

const listing = { prefix: utf8('a/'), delimiter: null, continuation: null, limit: 1000 };
const ASKED: Readonly<Record<string, (answer: Exchange) => { outcome: string; error: unknown }>> = {
  read: (answer) => data().readAnswer(request(), answer, new Uint8Array(100), NOW),
  head: (answer) => data().headAnswer(utf8('a'), answer, NOW),
  list: (answer) => data().listAnswer(listing, answer, NOW),
};

describe.each(Object.keys(ASKED))('the answer to a %s', (kind) => {
  const outcomeOf = (ended: 'failed' | 'refused', code: ErrorCode, retryable?: boolean): unknown => {
    const error = new MillraceError(code, 'said the transport', retryable === undefined ? {} : { retryable });
    const answer = ASKED[kind]!(exchange(0, {}, { outcome: ended, error }));
    expect(answer.error).toMatchObject({ code, retryable: error.retryable });
    return answer.outcome;
  };

  it('is not asked for again when the certificate is not accepted', () => {
    expect(outcomeOf('failed', 'ConnectionFailed', false)).toBe('refused');
  });

  it.each(['Unsupported', 'RangeRejected', 'InvalidArgument'] as const)(
    'is not asked for again after %s',
    (code) => {
      expect(outcomeOf('refused', code)).toBe('refused');
      expect(outcomeOf('failed', code)).toBe('refused');
    },
  );

  it.each(['ConnectionFailed', 'TimedOut'] as const)('is asked for again after %s', (code) => {
    expect(outcomeOf('failed', code)).toBe('transient');
  });

  it('is asked for again after a head that breaks HTTP, though its code is not retryable', () => {
    expect(outcomeOf('refused', 'ProtocolViolation')).toBe('transient');
  });
});
