/**
 * A bar chart as SVG: horizontal bars on a linear axis from 0, their values at the end, the least and the most of the
 * rounds as a thin line. Legible on light and dark ground; everything that it shows is in its description too.
 */

/**
 * @typedef {{label: string, value: number, min: number, max: number, text: string,
 *   kind: 'own' | 'other' | 'limit'}} Bar
 */

const WIDTH = 760;
const LABEL_WIDTH = 140;
/** Where values stand, behind the longest bar. */
const VALUE_WIDTH = 110;
const BAR_WIDTH = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
const BAR_HEIGHT = 18;
const STEP = 28;
const TOP = 40;
const GAP = 8;

/** Every colour can be read on white and on black; the media query only makes it easier. */
const STYLE = `
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, Ubuntu, sans-serif; fill: #6a737d; }
  .head { font-weight: 600; }
  .own-text { font-weight: 600; }
  .own { fill: #2f81f7; }
  .other { fill: #8b949e; }
  .limit { fill: #8b949e; fill-opacity: 0.25; stroke: #8b949e; stroke-dasharray: 3 2; }
  .spread { stroke: #6a737d; stroke-width: 1.5; }
  .axis { stroke: #8b949e; stroke-opacity: 0.6; }
  @media (prefers-color-scheme: light) {
    text { fill: #424a53; }
    .own { fill: #0969da; }
    .spread { stroke: #424a53; }
  }
  @media (prefers-color-scheme: dark) {
    text { fill: #b1bac4; }
    .own { fill: #58a6ff; }
    .other { fill: #6e7681; }
    .spread { stroke: #b1bac4; }
  }
`;

/** Width of a bar: its share of the largest figure that is drawn. @param {number} value @param {number} largest */
function widthOf(value, largest) {
  return largest > 0 ? (value / largest) * BAR_WIDTH : 0;
}

/** @param {string} text */
function escaped(text) {
  const names = /** @type {Record<string, string>} */ ({
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  });
  return text.replaceAll(/[&<>"]/g, (char) => names[char]);
}

/** @param {number} value */
function at(value) {
  return Number(value.toFixed(2));
}

/** @param {Bar} bar @param {number} index @param {number} largest */
function drawn({ label, value, min, max, text, kind }, index, largest) {
  const top = TOP + index * STEP;
  const middle = top + BAR_HEIGHT / 2;
  const baseline = middle + 4.5;
  const [from, to] = [min, max].map((edge) => at(LABEL_WIDTH + widthOf(edge, largest)));
  const end = Math.max(to, LABEL_WIDTH + widthOf(value, largest));
  const weight = kind === 'own' ? ' class="own-text"' : '';
  return [
    `  <text x="${LABEL_WIDTH - GAP}" y="${baseline}" text-anchor="end"${weight}>${escaped(label)}</text>`,
    `  <rect class="${kind}" x="${LABEL_WIDTH}" y="${top}" width="${at(widthOf(value, largest))}" height="${BAR_HEIGHT}"/>`,
    `  <line class="spread" x1="${from}" y1="${middle}" x2="${to}" y2="${middle}"/>`,
    `  <text x="${at(end + GAP)}" y="${baseline}"${weight}>${escaped(text)}</text>`,
  ].join('\n');
}

/**
 * @param {{title: string, description: string, bars: readonly Bar[]}} chart
 * @returns {string} a whole SVG document
 */
export function barChart({ title, description, bars }) {
  const largest = Math.max(0, ...bars.flatMap(({ value, max }) => [value, max]));
  const bottom = TOP + bars.length * STEP;
  const height = bottom + GAP;
  const told = bars.map(({ label, text }) => `${label}: ${text}`).join('; ');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc">`,
    `  <title id="title">${escaped(title)}</title>`,
    `  <desc id="desc">${escaped(`${description} ${told}.`)}</desc>`,
    `  <style>${STYLE}  </style>`,
    `  <text class="head" x="${LABEL_WIDTH}" y="20">${escaped(title)}</text>`,
    `  <line class="axis" x1="${LABEL_WIDTH}" y1="${TOP - GAP}" x2="${LABEL_WIDTH}" y2="${bottom}"/>`,
    ...bars.map((bar, index) => drawn(bar, index, largest)),
    '</svg>',
    '',
  ].join('\n');
}
