/** `millrace stat`: what the service says about each object, without its bytes. */
import { formatBytes } from '../../index.js';
import { createLines, endOf } from '../output.js';
import type { Command } from '../session.js';
import { escapeControls, formatDate, jsonLine } from '../text.js';
import { StopState } from '../../protocol/stop.js';

interface Facts {
  readonly size: number;
  readonly version: string | null;
  readonly lastModifiedMs: number | null;
  readonly contentType: string | null;
}

/** The lines of one object. Pure. */
export function statLines(uri: string, { size, version, lastModifiedMs, contentType }: Facts): string[] {
  return [
    escapeControls(uri),
    `  size      ${size} (${formatBytes(size)})`,
    `  version   ${escapeControls(version ?? '-')}`,
    `  modified  ${formatDate(lastModifiedMs).trimEnd()}`,
    `  type      ${escapeControls(contentType ?? '-')}`,
  ];
}

export const stat: Command = async ({ runtime, token, operands, json, out }) => {
  const lines = createLines(out);
  let seen = 0;
  const error = await endOf(lines, async () => {
    for (const uri of operands) {
      if (token.state !== StopState.Live) break;
      const facts = await runtime.head(uri, { token });
      const { size, version, lastModifiedMs, contentType } = facts;
      const shown = json
        ? [jsonLine({ uri, size, version, lastModifiedMs, contentType })]
        : statLines(uri, facts);
      for (const line of shown) await lines.line(line);
      seen += 1;
    }
  });
  return { ok: error === null, error, record: { line: `seen ${seen}`, document: { command: 'stat', seen } } };
};
