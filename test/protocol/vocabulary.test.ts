import { describe, expect, it } from 'vitest';
import { OwnWord } from '../../dist/protocol/context.js';
import { ErrorCode } from '../../dist/protocol/errors.js';
import { ExchangeOutcome } from '../../dist/protocol/http.js';
import { isSink } from '../../dist/protocol/messages.js';
import { PORT_WORDS } from '../../dist/protocol/port.js';
import { isCancelled, NEVER, StopState } from '../../dist/protocol/stop.js';
import { Outcome, REFRESH_AHEAD_MS } from '../../dist/protocol/store.js';
import { CHECKSUMS, DoneStatus, JobFlag } from '../../dist/protocol/tables.js';
import { unsupportedWrite, written } from '../../dist/protocol/writes.js';

const kebab = (name: string): string =>
  name.replaceAll(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

describe('a word of the protocol', () => {
  it.each([
    ['what an exchange came to', ExchangeOutcome],
    ['what an answer of a store is', Outcome],
  ])('for %s reads as its name does', (_, words) => {
    for (const [name, word] of Object.entries(words)) expect(word).toBe(kebab(name));
  });

  it('for an error is its name', () => {
    for (const [name, word] of Object.entries(ErrorCode)) expect(word).toBe(name);
  });

  it('of a job has a bit of its own', () => {
    const flags = Object.values(JobFlag);
    expect(flags.reduce<number>((sum, flag) => sum + flag, 0)).toBe(2 ** flags.length - 1);
    expect(flags.every((flag) => Number.isInteger(Math.log2(flag)))).toBe(true);
  });

  it('of a result is a number of its own, and success is the one of an empty row', () => {
    expect(new Set(Object.values(DoneStatus)).size).toBe(Object.keys(DoneStatus).length);
    expect(DoneStatus.Ok).toBe(0);
  });

  it('for a checksum is one of those that a cell can name', () => {
    expect([...CHECKSUMS].sort()).toEqual(['crc32', 'crc32c', 'crc64nvme', 'md5', 'sha1', 'sha256']);
  });
});

describe("the words of a worker's incarnation", () => {
  it('leave room for both of its ports, and do not overlap', () => {
    const rooms = [
      [OwnWord.Heartbeat, 1],
      [OwnWord.Jobs, PORT_WORDS],
      [OwnWord.Results, PORT_WORDS],
      [OwnWord.Transforming, 1],
    ] as const;
    const words = rooms.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i));
    expect(words).toEqual(words.map((_, i) => i));
  });
});

describe('a signal that never stops anything', () => {
  it('is live, and forgets who asks to be called', () => {
    expect(NEVER.state).toBe(StopState.Live);
    let called = 0;
    const unlink = NEVER.onStop(() => (called += 1));
    unlink();
    expect(called).toBe(0);
  });
});

describe('isCancelled', () => {
  it.each([
    [StopState.Live, false],
    [StopState.Draining, false],
    [StopState.Cancelled, true],
  ])('of state %i is %s', (state, cancelled) => {
    expect(isCancelled({ state, onStop: () => () => {} })).toBe(cancelled);
  });
});

describe('credentials', () => {
  it('are renewed five minutes before they expire', () => {
    expect(REFRESH_AHEAD_MS).toBe(300_000);
  });
});

describe('an answer to a write', () => {
  it('that a store cannot do is a refusal that says why', () => {
    expect(unsupportedWrite('mem:// has no uploads')).toEqual({
      outcome: 'refused',
      value: null,
      error: expect.objectContaining({
        code: 'Unsupported',
        phase: 'write',
        message: 'mem:// has no uploads',
        retryable: false,
      }),
      retryAfterMs: 0,
    });
  });

  it('that succeeded says what is given, and nothing of the rest', () => {
    const nothing = { version: null, upload: null, part: null, failures: [], uploads: [], next: null };
    expect(written()).toEqual({
      outcome: 'complete',
      value: { ...nothing, partsInFlight: Infinity },
      error: null,
      retryAfterMs: 0,
    });
    expect(written({ version: 'v', partsInFlight: 1 }).value).toEqual({
      ...nothing,
      version: 'v',
      partsInFlight: 1,
    });
  });
});

describe('what becomes of bytes that landed', () => {
  it('is a sink where it names a store to write to', () => {
    expect(isSink(null)).toBe(false);
    expect(isSink({ url: 'file:///t.mjs', options: null })).toBe(false);
    const sink = { store: 0, prefix: new Uint8Array(0), strip: 0, upload: null };
    expect(isSink({ ...sink, ifAbsent: false, ifVersion: null, contentType: null })).toBe(true);
  });
});
