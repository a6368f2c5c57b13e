import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { checkStop, linkStop } from '../../dist/loader/stop-options.js';
import { CancellationToken } from '../../dist/protocol/token.js';

describe('the stop of a call', () => {
  it('is the token that was given, and none where none was', () => {
    const token = new CancellationToken();
    const linked = linkStop({ token });
    linked.dispose();
    expect([linked.token, linkStop({}).token]).toEqual([token, null]);
  });

  it('is linked to the signal that was given, until the call has ended', () => {
    const { signal, abort } = { signal: new AbortController(), abort: new Error('enough') };
    const linked = linkStop({ signal: signal.signal });
    expect(getEventListeners(signal.signal, 'abort')).toHaveLength(1);
    linked.dispose();
    expect(getEventListeners(signal.signal, 'abort')).toHaveLength(0);
    const again = linkStop({ signal: signal.signal });
    signal.abort(abort);
    expect(again.token).toMatchObject({ cancelled: true, reason: 'enough' });
  });

  it.each([
    [
      { token: new CancellationToken(), signal: new AbortController().signal },
      /^token and signal: expected one of the two .*both/,
    ],
    [{ token: {} as CancellationToken }, /^token: expected a CancellationToken/],
    [{ signal: {} as AbortSignal }, /^signal: expected an AbortSignal/],
  ])('is refused where it is both or neither of the two: %#', (given, message) => {
    for (const use of [checkStop, linkStop])
      expect(() => use(given)).toThrow(
        expect.objectContaining({ code: 'InvalidArgument', message: expect.stringMatching(message) }),
      );
  });
});
