import { describe, expect, it } from 'vitest';
import { asMillraceError, ErrorCode, MillraceError, systemCode } from '../../dist/protocol/errors.js';

const cross = (error: MillraceError): MillraceError =>
  MillraceError.fromWire(structuredClone(error.toWire()));

const context = {
  phase: 'body',
  uri: 's3://bucket/key',
  range: [10, 99],
  attempt: 3,
  status: 503,
  serviceCode: 'SlowDown',
  requestId: 'R-1',
  worker: 'worker-2#1',
} as const;

describe('a MillraceError', () => {
  it('shows its context as properties', () => {
    const error = new MillraceError(ErrorCode.Throttled, 'slow down', context);
    const { serviceCode, ...shown } = context;
    expect(error).toMatchObject({ name: 'MillraceError', code: 'Throttled', message: 'slow down', ...shown });
    expect(error.context.serviceCode).toBe(serviceCode);
    expect(error).toBeInstanceOf(Error);
  });

  it.each([
    [ErrorCode.Throttled, true],
    [ErrorCode.ConnectionFailed, true],
    [ErrorCode.BudgetHeldByConsumer, true],
    [ErrorCode.NotFound, false],
    [ErrorCode.DeadlineExceeded, false],
    [ErrorCode.ChecksumMismatch, false],
  ])('with the code %s says by itself whether it is retryable: %s', (code, retryable) => {
    expect(new MillraceError(code, 'x').retryable).toBe(retryable);
    expect(new MillraceError(code, 'x', { retryable: !retryable }).retryable).toBe(!retryable);
  });

  it('has every code under its own name', () => {
    for (const [name, code] of Object.entries(ErrorCode)) expect(code).toBe(name);
  });
});

describe('with', () => {
  it('adds what is not known and keeps what is, with the stack and the cause', () => {
    const cause = new Error('below');
    const error = new MillraceError(ErrorCode.Throttled, 'slow', { attempt: 2, retryable: false, cause });
    const more = error.with({ attempt: 9, uri: 's3://b/k', retryable: true, cause: new Error('other') });
    expect(more).toMatchObject({ attempt: 2, uri: 's3://b/k', retryable: false, message: 'slow', cause });
    expect(more.stack).toBe(error.stack);
    expect(error.uri).toBeUndefined();
    expect(new MillraceError(ErrorCode.NotFound, 'x').with({ cause }).cause).toBe(cause);
  });
});

describe('an error that crosses threads', () => {
  it('keeps code, message, context, retryable and stack', () => {
    const error = new MillraceError(ErrorCode.Throttled, 'slow down', context);
    const arrived = cross(error);
    expect(arrived).toBeInstanceOf(MillraceError);
    expect(arrived).toMatchObject({ code: 'Throttled', message: 'slow down', retryable: true });
    expect(arrived.context).toEqual({ ...context, retryable: true });
    expect(arrived.stack).toBe(error.stack);
  });

  it.each([
    [ErrorCode.Throttled, false],
    [ErrorCode.NotFound, true],
  ])('keeps a retryable that is not the default of %s', (code, retryable) => {
    expect(cross(new MillraceError(code, 'x', { retryable })).retryable).toBe(retryable);
  });

  it('keeps the whole chain of causes, whatever their class', () => {
    const system = Object.assign(new Error('reset by peer'), { name: 'SocketError', code: 'ECONNRESET' });
    const plain = new TypeError('fetch failed', { cause: system });
    const inner = new MillraceError(ErrorCode.ConnectionFailed, 'inner', { phase: 'connect', cause: plain });
    const arrived = cross(new MillraceError(ErrorCode.WorkerCrashed, 'outer', { cause: inner }));
    const first = arrived.cause as MillraceError;
    expect(first).toBeInstanceOf(MillraceError);
    expect(first).toMatchObject({
      code: 'ConnectionFailed',
      message: 'inner',
      phase: 'connect',
      retryable: true,
    });
    const second = first.cause as Error;
    expect(second).toMatchObject({ name: 'TypeError', message: 'fetch failed' });
    expect(systemCode(second)).toBeUndefined();
    expect(second.cause).toMatchObject({ name: 'SocketError', message: 'reset by peer', code: 'ECONNRESET' });
    expect(second.cause).toBeInstanceOf(Error);
  });

  it('arrives from a chain of causes that bites its own tail', () => {
    const loop = new Error('loop');
    loop.cause = loop;
    expect(cross(new MillraceError(ErrorCode.Internal, 'x', { cause: loop })).cause).toMatchObject({
      message: 'loop',
    });
  });

  it('takes nothing of a foreign error along but name, message and code', () => {
    const foreign = Object.assign(new Error('refused'), {
      code: 'AccessDenied',
      config: { secretAccessKey: 'SECRET-1' },
      $response: { headers: { authorization: 'SECRET-2' } },
    });
    const wire = new MillraceError(ErrorCode.AccessDenied, 'no', { cause: foreign }).toWire();
    expect(JSON.stringify({ ...wire, stack: undefined })).not.toContain('SECRET');
    expect(wire.cause).toMatchObject({ name: 'Error', message: 'refused', code: 'AccessDenied' });
  });

  it.each([
    ['a text', 'gone wrong', 'gone wrong'],
    ['an object', { password: 'SECRET' }, 'a thrown object'],
    ['a function that no clone takes', () => 'SECRET', 'a thrown function'],
    ['a number', 7, 'a thrown number'],
  ])('turns a cause that is no error, %s, into one that can travel', (_name, cause, message) => {
    const arrived = cross(new MillraceError(ErrorCode.Internal, 'x', { cause }));
    expect(arrived.cause).toBeInstanceOf(Error);
    expect(arrived.cause).toMatchObject({ message });
  });

  it('ends in a circle of ours and of another class', () => {
    const foreign = new Error('foreign');
    const ours = new MillraceError(ErrorCode.Internal, 'ours', { cause: foreign });
    foreign.cause = ours;
    expect(cross(ours)).toMatchObject({
      message: 'ours',
      cause: { message: 'foreign', cause: { message: 'ours' } },
    });
  });

  it('has nothing that was not there: no cause, no code, no text in place of a stack', () => {
    const bare = new MillraceError(ErrorCode.NotFound, 'x');
    expect('cause' in bare).toBe(false);
    const arrived = cross(new MillraceError(ErrorCode.NotFound, 'x', { cause: new Error('y') }))
      .cause as Error;
    expect(['cause' in arrived, 'code' in arrived]).toEqual([false, false]);
    expect(cross(new MillraceError(ErrorCode.NotFound, 'x', { cause: 'y' })).cause).toMatchObject({
      name: 'Error',
    });
    const { stack: _, ...wire } = bare.toWire();
    expect(MillraceError.fromWire(wire).stack).toContain('MillraceError: x');
    delete bare.stack;
    expect(bare.with({ uri: 'a' }).stack).toContain('MillraceError: x');
  });

  it('has no cause where there was none', () => {
    expect(cross(new MillraceError(ErrorCode.NotFound, 'x')).cause).toBeUndefined();
    expect(cross(new MillraceError(ErrorCode.NotFound, 'x', { cause: null })).cause).toBeUndefined();
  });
});

describe('asMillraceError', () => {
  it('adds context to one of ours and keeps its code', () => {
    const ours = new MillraceError(ErrorCode.NotFound, 'gone', { uri: 'a' });
    expect(asMillraceError(ours, ErrorCode.Internal, { uri: 'b', attempt: 2 })).toMatchObject({
      code: 'NotFound',
      uri: 'a',
      attempt: 2,
    });
  });

  it('makes anything else a cause', () => {
    const thrown = new RangeError('too far');
    expect(asMillraceError(thrown, ErrorCode.Filesystem, { phase: 'body' })).toMatchObject({
      code: 'Filesystem',
      message: 'too far',
      phase: 'body',
      cause: thrown,
    });
    expect(asMillraceError('text')).toMatchObject({ code: 'Internal', message: 'text' });
    expect(asMillraceError(undefined)).toMatchObject({ code: 'Internal', message: 'undefined' });
  });
});

describe('what bites whoever looks at it', () => {
  const boom = (): never => {
    throw new TypeError('boom');
  };
  const bites = (name: string): Error => Object.defineProperty(new Error('x'), name, { get: boom });

  it.each<[string, unknown, string]>([
    ['an object without a prototype', Object.create(null), 'a thrown object'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['a conversion that throws', { toString: boom }, 'a thrown object'],
    ['a message that is a function', Object.assign(new Error('x'), { message: () => 1 }), 'no text'],
    ['a message that throws', bites('message'), 'no text'],
    ['a name that is none', Object.assign(new Error('of no name'), { name: { boom } }), 'of no name'],
    ['a cause that throws', bites('cause'), 'x'],
    ['a code that throws', bites('code'), 'x'],
  ])('is an error that crosses threads all the same: %s', (_name, thrown, message) => {
    const arrived = cross(asMillraceError(thrown, ErrorCode.TransformFailed));
    expect(arrived.code).toBe('TransformFailed');
    expect(arrived.message).toContain(message);
    expect(arrived.cause).toBeInstanceOf(Error);
  });
});

describe('systemCode', () => {
  it('is the text code of anything that has one', () => {
    expect(systemCode(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT');
    for (const none of [null, undefined, 'ENOENT', 7, {}, { code: 23 }, new Error('x')])
      expect(systemCode(none)).toBeUndefined();
  });
});
