/** `millrace ls`: one line per object and folder, in the order of the service, in constant memory. */
import { createLines, endOf, type Lines } from '../output.js';
import type { Command, Session } from '../session.js';
import { escapeControls, formatDate, jsonLine } from '../text.js';
import { flag } from '../values.js';
import { StopState } from '../../protocol/stop.js';

/** Wide enough for a terabyte; a larger number makes its own line wider. */
const SIZE_COLUMNS = 13;

/** An object, or a folder that was rolled up. */
export type Listed =
  | {
      readonly kind: 'object';
      readonly uri: string;
      readonly size: number;
      readonly lastModified: Date | null;
    }
  | { readonly kind: 'prefix'; readonly uri: string };

/** The line of one entry. Pure. */
export function listLine(entry: Listed, terminal: boolean): string {
  const shown = (name: string): string => (terminal ? escapeControls(name) : name);
  if (entry.kind === 'prefix')
    return `${'-'.padStart(SIZE_COLUMNS)}  ${formatDate(null)}  ${shown(entry.uri)}`;
  const size = entry.size < 0 ? '?' : String(entry.size);
  return `${size.padStart(SIZE_COLUMNS)}  ${formatDate(entry.lastModified?.getTime())}  ${shown(entry.uri)}`;
}

export const ls: Command = async (session) => {
  const lines = createLines(session.out);
  const document = { command: 'ls', listed: 0 };
  const error = await endOf(lines, async () => {
    for (const uri of session.operands) {
      if (session.token.state !== StopState.Live) break;
      await listOne(session, uri, lines, () => (document.listed += 1));
    }
  });
  return { ok: error === null, error, record: { line: `listed ${document.listed}`, document } };
};

async function listOne(
  { runtime, token, values, json, out }: Session,
  uri: string,
  lines: Lines,
  count: () => void,
): Promise<void> {
  const options = flag(values, 'recursive') ? { token } : { token, delimiter: '/' };
  for await (const entry of runtime.list(uri, options)) {
    await lines.line(json ? jsonLine(entry) : listLine(entry, out.isTerminal));
    count();
    if (token.state !== StopState.Live) break;
  }
}
