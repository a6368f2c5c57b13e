/** `millrace cat`: bytes of objects, in order, to standard output, at the pace of whoever reads it. */
import { ErrorCode, MillraceError } from '../../index.js';
import { failureOf } from '../failures.js';
import { fetchPieces, type Source } from '../pieces.js';
import { totalsLine } from '../records.js';
import type { Command, Session } from '../session.js';
import { budgetOf } from '../sources.js';
import { type ByteRange, byteRange, text } from '../values.js';
import { StopState } from '../../protocol/stop.js';

/** Which bytes of an object of this size a range means. Pure. @throws MillraceError RangeRejected */
export function resolveRange(
  range: ByteRange | null,
  size: number,
  uri: string,
): { start: number; length: number } {
  if (range === null) return { start: 0, length: size };
  if ('suffix' in range) {
    const length = Math.min(range.suffix, size);
    return { start: size - length, length };
  }
  if (range.start >= size) {
    throw new MillraceError(
      ErrorCode.RangeRejected,
      `the range begins at byte ${range.start} of an object of ${size} bytes`,
      { uri, phase: 'plan' },
    );
  }
  const end = range.end === null ? size - 1 : Math.min(range.end, size - 1);
  return { start: range.start, length: end - range.start + 1 };
}

export const cat: Command = async (session) => {
  const { runtime, token, values, out } = session;
  const given = text(values, 'range');
  const range = given === undefined ? null : byteRange(given);
  const pieces = fetchPieces(runtime, sourcesOf(session, range), {
    budgetBytes: budgetOf(runtime),
    groupSize: 1,
    token,
  });
  const error = await failureOf(async () => {
    for await (const group of pieces) {
      for (const { bytes } of group) if (bytes.length > 0) await out.write(bytes);
    }
  });
  const { totals } = pieces;
  return {
    ok: error === null,
    error,
    record: { line: totalsLine(totals), document: { command: 'cat', ...totals } },
  };
};

async function* sourcesOf(
  { runtime, token, operands }: Session,
  range: ByteRange | null,
): AsyncGenerator<Source> {
  for (const uri of operands) {
    if (token.state !== StopState.Live) return;
    const { size, version } = await runtime.head(uri, { token });
    yield { uri, key: uri, size, version, ...resolveRange(range, size, uri) };
  }
}
