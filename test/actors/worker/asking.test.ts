import { describe, expect, it } from 'vitest';
import { ask, type AskingDeps } from '../../../dist/actors/worker/asking.js';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome, type Answer, type Store } from '../../../dist/protocol/store.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { attemptDeps } from './kit.js';
import { createRuntimeWords, fillRetryBudget, writeToken } from '../../../dist/protocol/words.js';

const failed: Answer<string> = {
  outcome: Outcome.Transient,
  value: null,
  error: new MillraceError(ErrorCode.ServiceUnavailable, 'not now'),
  retryAfterMs: 0,
};
const done: Answer<string> = { outcome: Outcome.Complete, value: 'done', error: null, retryAfterMs: 0 };

describe('a question', () => {
  it('that a retry has helped gives back what that cost: who only asks and writes never runs out of retries', async () => {
    const words = createRuntimeWords();
    fillRetryBudget(words);
    writeToken(words, 0, 1, StopState.Live);
    const token = new LocalToken(words, 0, 1);
    const deps: AskingDeps = {
      ...attemptDeps(words),
      stopping: false,
      store: () => ({}) as Store,
    };
    const seat = { slot: 0 };
    const asked = async () => {
      const answers = [failed, done];
      const attempt = () => Promise.resolve(answers.shift()!);
      return await ask<string>(
        { store: 0, maxAttempts: 3, patienceMs: 0, token, seat, entered: false, again: false, attempt },
        deps,
      );
    };
    for (let i = 0; i < 300; i += 1) {
      const { status, retries } = await asked();
      expect([i, status, retries]).toEqual([i, DoneStatus.Ok, 1]);
    }
  });
});
