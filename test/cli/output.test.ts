import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLines, createOutput, OutputClosed } from '../../dist/cli/output.js';
import { CancellationToken } from '../../dist/protocol/token.js';

/** A stream whose writes are over when the test says so. */
function slowStream() {
  const taken: { text: string; over: (error?: Error) => void }[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, callback) =>
      void taken.push({ text: chunk.toString(), over: callback }),
  });
  return { stream, taken };
}

describe('output', () => {
  it('is over when the reader has taken it, and not before', async () => {
    const { stream, taken } = slowStream();
    let over = false;
    const written = createOutput(stream, new CancellationToken())
      .write('a')
      .then(() => {
        over = true;
      });
    await new Promise(setImmediate);
    expect([taken.length, over]).toEqual([1, false]);
    taken[0]!.over();
    await written;
    expect(over).toBe(true);
  });

  it('is closed, quietly, when nobody reads any more', async () => {
    const { stream, taken } = slowStream();
    const output = createOutput(stream, new CancellationToken());
    const written = output.write('a');
    taken[0]!.over(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }));
    await expect(written).rejects.toBeInstanceOf(OutputClosed);
    await expect(output.write('b')).rejects.toBeInstanceOf(OutputClosed);
  });

  it('stops waiting for a reader when the token is cancelled', async () => {
    const { stream, taken } = slowStream();
    const token = new CancellationToken();
    const written = createOutput(stream, token).write('a');
    expect(taken).toHaveLength(1);
    token.cancel('enough');
    await expect(written).rejects.toMatchObject({ code: 'Cancelled' });
  });

  it('brings lines together, and waits for the reader before it takes more', async () => {
    const { stream, taken } = slowStream();
    const lines = createLines(createOutput(stream, new CancellationToken()), () => 0);
    for (let i = 0; i < 100; i += 1) await lines.line('x');
    expect(taken).toHaveLength(0);
    const large = lines.line('y'.repeat(40_000));
    expect(taken).toHaveLength(1);
    taken[0]!.over();
    await large;
    expect(taken[0]!.text).toBe(`${'x\n'.repeat(100)}${'y'.repeat(40_000)}\n`);
  });

  it('shows lines that come in slowly as they come', async () => {
    const { stream, taken } = slowStream();
    let now = 0;
    const lines = createLines(createOutput(stream, new CancellationToken()), () => now);
    now = 150;
    const shown = lines.line('x');
    expect(taken).toHaveLength(1);
    taken[0]!.over();
    await shown;
  });
});
