import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Reporter, type Result } from '../../../dist/actors/worker/report.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { DoneMessage, ResultMessage } from '../../../dist/protocol/messages.js';
import { PORT_WORDS, PortReceiver, PortSender } from '../../../dist/protocol/port.js';
import { NEVER } from '../../../dist/protocol/stop.js';
import { CHECKSUMS, Done, DONE_STRIDE, DoneStatus } from '../../../dist/protocol/tables.js';
import { portChannel } from '../../../dist/runtime/threads/channel.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../../dist/testing/pattern.js';
import { createPipe, isSettled } from '../../protocol/pipe.js';

const result = (id: number, more: Partial<Result> = {}): Result => ({
  id,
  status: DoneStatus.Ok,
  landed: id * 1000,
  size: id * 2000,
  version: null,
  retries: 0,
  throttled: 0,
  error: null,
  outputs: null,
  verified: null,
  ...more,
});

function createReporter(capacity = 8) {
  const words = new Int32Array(new SharedArrayBuffer(4 * PORT_WORDS));
  const pipe = createPipe();
  const to = new PortReceiver<ResultMessage>(pipe.receiver, words, 0);
  return {
    reporter: new Reporter(new PortSender(pipe.sender, words, 0, capacity)),
    pipe,
    to,
    /** What came, message by message. */
    take: (): DoneMessage[] => {
      const messages: DoneMessage[] = [];
      for (;;) {
        pipe.deliver();
        const message = to.tryReceive();
        if (message === null) return messages;
        messages.push(message as DoneMessage);
      }
    },
  };
}

const column = ({ table }: DoneMessage, at: number): number[] =>
  Array.from({ length: table.count }, (_, row) => table.cells[row * DONE_STRIDE + at]!);
const idsOf = (messages: readonly DoneMessage[]): number[] =>
  messages.flatMap((message) => column(message, Done.Id));

describe('a reporter', () => {
  it('sends many rows in one message, each with its figures, version and error', async () => {
    const { reporter, take } = createReporter();
    const error = new MillraceError(ErrorCode.NotFound, 'gone', { phase: 'head' });
    reporter.add(result(1, { version: '"étag-1"', retries: 2 }));
    reporter.add(result(2, { status: DoneStatus.Failed, error }));
    reporter.add(result(3, { version: 'v3' }));
    expect(reporter.waiting).toBe(3);
    await reporter.flush();
    expect(reporter.waiting).toBe(0);
    const [message, ...others] = take();
    expect(others).toEqual([]);
    expect(column(message!, Done.Id)).toEqual([1, 2, 3]);
    expect(column(message!, Done.Landed)).toEqual([1000, 2000, 3000]);
    expect(column(message!, Done.Size)).toEqual([2000, 4000, 6000]);
    expect(column(message!, Done.Status)).toEqual([DoneStatus.Ok, DoneStatus.Failed, DoneStatus.Ok]);
    expect(column(message!, Done.Retries)).toEqual([2, 0, 0]);
    const starts = column(message!, Done.BlobStart);
    const lengths = column(message!, Done.VersionLength);
    const versions = starts.map((start, row) =>
      Buffer.from(message!.table.blob.subarray(start, start + lengths[row]!)).toString(),
    );
    expect(versions).toEqual(['"étag-1"', '', 'v3']);
    expect(message!.errors).toMatchObject([[1, { code: 'NotFound', message: 'gone' }]]);
  });

  it('tells of each row which checksum was found right, and of its own outputs alone', async () => {
    const { reporter, take } = createReporter();
    for (const [id, verified] of CHECKSUMS.entries()) reporter.add(result(id, { verified }));
    reporter.add(result(90, { outputs: [{ kind: 'value', value: 7 }] }));
    await reporter.flush();
    reporter.add(result(91));
    await reporter.flush();
    // Where nothing is collected there is no message.
    await reporter.flush();
    const [first, second, ...others] = take();
    expect(column(first!, Done.Verified)).toEqual([...CHECKSUMS.map((_, at) => at + 1), 0]);
    expect([first!.kind, second!.kind, others.length]).toEqual(['done', 'done', 0]);
    expect([first!.outputs, second!.outputs]).toEqual([
      [[CHECKSUMS.length, [{ kind: 'value', value: 7 }]]],
      [],
    ]);
    expect(column(second!, Done.Verified)).toEqual([0]);
  });

  it('sends a message that stands alone as it is', async () => {
    const { reporter, take } = createReporter();
    const page = { kind: 'page' as const, jobId: 3, status: DoneStatus.Ok, page: null, error: null };
    await reporter.send(page);
    expect(take()).toEqual([page]);
  });

  it('counts what was delivered and what was left', () => {
    const { reporter } = createReporter();
    const statuses = [
      DoneStatus.Ok,
      DoneStatus.Ok,
      DoneStatus.Failed,
      DoneStatus.Left,
      DoneStatus.Cancelled,
      DoneStatus.SizeChanged,
    ];
    for (const [id, status] of statuses.entries()) reporter.add(result(id, { status }));
    expect([reporter.delivered, reporter.left]).toEqual([2, 3]);
  });

  it('sends a full message by itself', async () => {
    const { reporter, take } = createReporter();
    for (let id = 0; id < 63; id += 1) reporter.add(result(id));
    await isSettled(Promise.resolve());
    expect(take()).toEqual([]);
    reporter.add(result(63));
    expect(idsOf(take())).toEqual(Array.from({ length: 64 }, (_, id) => id));
  });

  it('keeps rows while the port is full, and sends them, with their own errors, when it is not', async () => {
    const { reporter, take, pipe } = createReporter(1);
    reporter.add(result(1));
    await reporter.flush();
    reporter.add(result(2));
    const flushing = reporter.flush();
    reporter.add(result(3, { status: DoneStatus.Failed, error: new MillraceError(ErrorCode.TimedOut, 'x') }));
    reporter.add(result(4));
    expect(await isSettled(flushing)).toBe(false);
    expect([pipe.underWay, reporter.waiting]).toEqual([1, 2]);
    const messages: DoneMessage[] = [];
    while (!(await isSettled(flushing)) || pipe.underWay > 0) messages.push(...take());
    expect(messages.map((message) => column(message, Done.Id))).toEqual([[1], [2], [3, 4]]);
    expect(messages.map(({ errors }) => errors.map(([row]) => row))).toEqual([[], [], [0]]);
  });

  it('has sent every row that was there when flush was called, in whatever moment that was', async () => {
    for (let ticks = 0; ticks < 12; ticks += 1) {
      const { reporter, take } = createReporter();
      reporter.add(result(1));
      void reporter.flush();
      for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
      reporter.add(result(2));
      await reporter.flush();
      expect([ticks, reporter.waiting]).toEqual([ticks, 0]);
      expect(idsOf(take())).toEqual([1, 2]);
    }
  });

  it('ends its wait when the supervisor closes the port', async () => {
    const { reporter, to, pipe } = createReporter(1);
    reporter.add(result(1));
    await reporter.flush();
    reporter.add(result(2));
    const flushing = reporter.flush();
    expect(await isSettled(flushing)).toBe(false);
    to.close();
    pipe.deliver();
    await flushing;
  });
});

describe('outputs', () => {
  it('of a transform cross a real port: bytes are handed over, not copied', async () => {
    const { port1, port2 } = new MessageChannel();
    const words = new Int32Array(new SharedArrayBuffer(4 * PORT_WORDS));
    const to = new PortReceiver<ResultMessage>(portChannel(port1), words, 0);
    const reporter = new Reporter(new PortSender(portChannel(port2), words, 0, 8));
    const bytes = patternBytes(objectIdOf('made'), 5000);
    reporter.add(
      result(1, {
        outputs: [
          { kind: 'bytes', bytes },
          { kind: 'value', value: { label: 7 } },
        ],
      }),
    );
    reporter.add(result(2, { outputs: [] }));
    reporter.add(result(3));
    await reporter.flush();
    expect(bytes.byteLength).toBe(0);
    const message = (await to.receive(NEVER)) as DoneMessage;
    expect(message.outputs.map(([row]) => row)).toEqual([0, 1]);
    const [first, second] = message.outputs[0]![1];
    expect(first).toMatchObject({ kind: 'bytes' });
    if (first?.kind === 'bytes') {
      expect(first.bytes).toHaveLength(5000);
      expect(verifyPattern(objectIdOf('made'), 0, first.bytes)).toBe(-1);
    }
    expect(second).toEqual({ kind: 'value', value: { label: 7 } });
    port1.close();
  });

  it('that no thread can take make their own item fail, and none beside it, on a real port too', async () => {
    const { port1, port2 } = new MessageChannel();
    const words = new Int32Array(new SharedArrayBuffer(4 * PORT_WORDS));
    const to = new PortReceiver<ResultMessage>(portChannel(port1), words, 0);
    const sender = new PortSender<ResultMessage>(portChannel(port2), words, 0, 8);
    const reporter = new Reporter(sender);
    const bytes = patternBytes(objectIdOf('beside'), 300);
    reporter.add(result(1, { outputs: [{ kind: 'bytes', bytes }] }));
    reporter.add(result(2, { outputs: [{ kind: 'value', value: { render: () => {} } }] }));
    reporter.add(result(3, { version: 'v3' }));
    await reporter.flush();
    const message = (await to.receive(NEVER)) as DoneMessage;
    expect(column(message, Done.Status)).toEqual([DoneStatus.Ok, DoneStatus.Failed, DoneStatus.Ok]);
    expect(column(message, Done.Id)).toEqual([1, 2, 3]);
    expect(message.errors).toMatchObject([
      [1, { code: 'TransformFailed', message: expect.stringContaining('cannot be sent between threads') }],
    ]);
    const [output] = message.outputs[0]![1];
    if (output?.kind !== 'bytes') throw new Error('the bytes beside it are gone');
    expect(verifyPattern(objectIdOf('beside'), 0, output.bytes)).toBe(-1);
    expect(output.bytes).toHaveLength(300);
    expect(sender.credits).toBe(8);
    port1.close();
  });

  /** A port whose messages no thread can take while they have the value in them, which can be cloned all the same. */
  function createPicky(value: unknown) {
    const words = new Int32Array(new SharedArrayBuffer(4 * PORT_WORDS));
    const pipe = createPipe();
    const to = new PortReceiver<ResultMessage>(pipe.receiver, words, 0);
    const picky = Object.create(pipe.sender) as typeof pipe.sender;
    picky.post = (message, transfer) => {
      const { outputs = [] } = message as Partial<DoneMessage>;
      if (
        outputs.some(([, made]) => made.some((output) => output.kind === 'value' && output.value === value))
      )
        throw new Error('cannot be detached');
      pipe.sender.post(message, transfer);
    };
    const reporter = new Reporter(new PortSender(picky, words, 0, 8));
    const take = (): DoneMessage => {
      pipe.deliver();
      return to.tryReceive() as DoneMessage;
    };
    return { reporter, take };
  }

  it('that can be cloned and not be sent fail every item with a value, for it may be any, and no other', async () => {
    const { reporter, take } = createPicky(7);
    const bytes = new Uint8Array(3);
    const error = new MillraceError(ErrorCode.NotFound, 'gone');
    reporter.add(result(1, { status: DoneStatus.Failed, error }));
    reporter.add(result(2, { outputs: [{ kind: 'value', value: 6 }] }));
    reporter.add(result(3, { outputs: [{ kind: 'bytes', bytes }] }));
    reporter.add(
      result(4, {
        outputs: [
          { kind: 'lease', start: 0, length: 1 },
          { kind: 'value', value: 7 },
        ],
      }),
    );
    await reporter.flush();
    const message = take();
    expect(column(message, Done.Status)).toEqual([
      DoneStatus.Failed,
      DoneStatus.Failed,
      DoneStatus.Ok,
      DoneStatus.Failed,
    ]);
    expect(message.errors).toMatchObject([
      [0, { code: 'NotFound' }],
      [1, { code: 'TransformFailed', message: expect.stringContaining('cannot be detached') }],
      [3, { code: 'TransformFailed', context: { phase: 'transform' } }],
    ]);
    expect(message.outputs.map(([row]) => row)).toEqual([2]);
  });

  it('of which one cannot be cloned fail that one alone', async () => {
    const render = (): void => {};
    const { reporter, take } = createPicky(render);
    reporter.add(result(1, { outputs: [{ kind: 'value', value: 6 }] }));
    reporter.add(
      result(2, {
        outputs: [
          { kind: 'value', value: 1 },
          { kind: 'value', value: render },
        ],
      }),
    );
    await reporter.flush();
    const message = take();
    expect(message.errors.map(([row]) => row)).toEqual([1]);
    expect(message.outputs).toEqual([[0, [{ kind: 'value', value: 6 }]]]);
  });
});
