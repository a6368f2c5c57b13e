/** `millrace explain`: every option of a loader over a URI, its effective value, where it is from and why. */
import { ObjectDataset } from '../../index.js';
import type { Command } from '../session.js';
import { escapeControls, jsonLine, table } from '../text.js';
import { loaderOptions } from '../values.js';

/** A value in one cell. Pure. */
export function cell(value: unknown): string {
  if (typeof value === 'string') return escapeControls(value);
  return escapeControls(JSON.stringify(value, plain) ?? String(value));
}

/** JSON has no word for an infinite threshold. */
function plain(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

export const explain: Command = async ({ runtime, operands, values, json, out }) => {
  const loader = runtime.loader(ObjectDataset.fromPrefix(operands[0]!), loaderOptions(values));
  const rows = loader.explain();
  const text = json
    ? rows.map((row) => jsonLine(row, plain)).join('\n')
    : table(
        ['option', 'value', 'origin', 'reason'],
        rows.map(({ option, value, origin, reason }) => [
          option,
          cell(value),
          origin,
          escapeControls(reason),
        ]),
      );
  await out.write(`${text}\n`);
  return { ok: true, error: null, record: { line: 'explained', document: { command: 'explain' } } };
};
