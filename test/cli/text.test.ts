import { describe, expect, it, vi } from 'vitest';
import { listLine } from '../../dist/cli/commands/ls.js';
import { failureDetails, failureLine } from '../../dist/cli/failures.js';
import { createProgress, renderProgress } from '../../dist/cli/progress.js';
import { escapeControls, formatDate, jsonLine, table } from '../../dist/cli/text.js';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';

describe('names on a terminal', () => {
  it('cannot move the cursor, colour the line or turn the direction of writing', () => {
    expect(escapeControls('a\u001b[31mb\nc\u009bd\u202ee\u007f')).toBe('a\\x1b[31mb\\nc\\x9bd\\u202ee\\x7f');
    expect(escapeControls('\ud800')).toBe('\\ud800');
  });

  it('come as escapes of JSON where a document has them, and are the same names for who reads it', () => {
    const entry = { uri: 's3://b/\u009b31m\u007f\u202e\u0000\ud800 ä"\\x9b' };
    const line = jsonLine(entry);
    expect(line).toBe(String.raw`{"uri":"s3://b/\u009b31m\u007f\u202e\u0000\ud800 ä\"\\x9b"}`);
    expect(JSON.parse(line)).toEqual(entry);
  });

  it('stay what they are where nothing is dangerous', () => {
    for (const name of ['ä ö', '日本', '🙂', 'a\\b']) expect(escapeControls(name)).toBe(name);
  });

  it('are escaped in a listing for a terminal, and whole in one for a pipe', () => {
    const entry = { kind: 'object', uri: 's3://b/a\u0007', size: 5, lastModified: new Date(0) } as const;
    expect(listLine(entry, true)).toBe('            5  1970-01-01T00:00:00Z  s3://b/a\\x07');
    expect(listLine(entry, false)).toContain('a\u0007');
    expect(listLine({ kind: 'prefix', uri: 's3://b/a/' }, true)).toMatch(/^ {12}- {2}- {21}s3:\/\/b\/a\/$/);
  });

  it('have a date of one width, known or not', () => {
    expect(formatDate(0)).toHaveLength(20);
    for (const unknown of [null, undefined, Number.NaN, 1e300]) expect(formatDate(unknown)).toHaveLength(20);
  });

  it('stand in columns', () => {
    expect(
      table(
        ['a', 'b'],
        [
          ['xx', 'y'],
          ['x', ''],
        ],
      ),
    ).toBe('a   b\nxx  y\nx');
  });
});

describe('failures', () => {
  const error = new MillraceError(ErrorCode.NotFound, 'no "a\nb"', {
    uri: 's3://b/a',
    requestId: 'R1',
    phase: 'head',
    range: [0, 9] as const,
    cause: Object.assign(new Error('below'), { code: 'ENOENT' }),
  });

  it('are one line with their code', () => {
    expect(failureLine(error)).toBe('NotFound: no "a\\nb"');
    expect(failureLine(Object.assign(new Error('gone'), { code: 'EIO' }))).toBe('EIO: gone');
  });

  it('tell context, causes and stack in detail', () => {
    const details = failureDetails(error).join('\n');
    for (const part of ['phase: head', 'requestId: R1', 'range: 0-9', 'cause: ENOENT: below', 'at ']) {
      expect(details).toContain(part);
    }
  });

  it('end although a cause is its own cause', () => {
    const snake = new Error('snake');
    snake.cause = snake;
    expect(failureDetails(snake).length).toBeGreaterThan(0);
  });
});

describe('the progress line', () => {
  const state = {
    objects: 5,
    bytes: 5 * 2 ** 20,
    elapsedMs: 1000,
    totalObjects: null,
    totalBytes: null,
    note: '',
  };

  it('tells objects, bytes and rate, and no time left where there is no total', () => {
    expect(renderProgress(state, 80)).toBe('5 objects  5 MiB  5 MiB/s');
  });

  it('has a bar and the time left where the total is known', () => {
    const line = renderProgress({ ...state, totalObjects: 10, totalBytes: 20 * 2 ** 20 }, 100);
    expect(line).toBe('[##........] 25%  00:03 left  5/10 objects  5 MiB of 20 MiB  5 MiB/s');
  });

  it('is never beyond the end, and never longer than the terminal is wide', () => {
    const over = renderProgress({ ...state, totalBytes: 1 }, 100);
    expect(over).toContain('[##########]100%');
    expect(renderProgress({ ...state, note: 'x'.repeat(200) }, 40)).toHaveLength(40);
  });

  it('keeps the time left and the note where a narrow terminal cuts it off', () => {
    const line = renderProgress({ ...state, totalBytes: 20 * 2 ** 20, note: 'draining' }, 40);
    expect(line).toBe('[##........] 25%  00:03 left  draining  ');
  });

  it('is drawn on a terminal that was told no size', () => {
    vi.useFakeTimers();
    try {
      const written: string[] = [];
      const screen = { isTTY: true, columns: 0, write: (text: string) => written.push(text) };
      const progress = createProgress(screen, () => state);
      vi.advanceTimersByTime(1000);
      progress.end();
      expect(written[0]).toContain('5 objects');
    } finally {
      vi.useRealTimers();
    }
  });

  it('is not drawn where there is no terminal', () => {
    let asked = 0;
    const progress = createProgress({ isTTY: false, write: () => expect.fail('written') }, () => {
      asked += 1;
      return state;
    });
    progress.end();
    expect(asked).toBe(0);
  });

  it('is drawn by its timer, once while nothing changes, and is taken away at the end', () => {
    vi.useFakeTimers();
    try {
      const written: string[] = [];
      const screen = { isTTY: true, columns: 40, write: (text: string) => written.push(text) };
      const progress = createProgress(screen, () => state);
      expect(written).toEqual([]);
      vi.advanceTimersByTime(1000);
      expect(written).toEqual(['\r\u001b[K5 objects  5 MiB  5 MiB/s']);
      progress.end();
      progress.end();
      vi.advanceTimersByTime(1000);
      expect(written.slice(1)).toEqual(['\r\u001b[K']);
    } finally {
      vi.useRealTimers();
    }
  });
});
