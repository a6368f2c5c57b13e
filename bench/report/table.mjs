/** Markdown tables. */

/** @param {string} cell */
function safe(cell) {
  return cell
    .replaceAll('|', String.raw`\|`)
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/**
 * The empty text for a table without rows.
 * @param {readonly string[]} head @param {readonly (readonly string[])[]} rows
 */
export function table(head, rows) {
  if (rows.length === 0) return '';
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.map(safe).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
