/** The figures about a service as Markdown tables; a figure that could not be measured is named with its reason. */
import { megabytes, number, quantity } from './figures.mjs';
import { SERVICE_METHOD } from './prose.mjs';
import { table } from './table.mjs';

/** @typedef {{count: number, p50: number, p99: number, max: number}} Spread */

/** @param {Spread | undefined} spread @param {string} unit */
function spreadCells(spread, unit) {
  const show = (/** @type {number | undefined} */ value) =>
    unit === '' ? String(value ?? '-') : quantity(value, unit);
  return [spread?.p50, spread?.p99, spread?.max].map(show);
}

/** @param {Record<string, any>} service the `service` of a result @returns {string} */
export function serviceSection(service) {
  const parts = [
    SERVICE_METHOD,
    waits(service),
    loop(service.eventLoopDelay ?? {}),
    memory(service.memory ?? {}),
    keys(service),
    ...(service.missing ?? []).map(
      (/** @type {{figure: string, why: string}} */ { figure, why }) =>
        `Not measured: ${figure}. ${oneLine(why)}`,
    ),
  ];
  return ['## As a service feels it', ...parts.filter((part) => part !== '')].join('\n\n');
}

/** @param {string} text */
function oneLine(text) {
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** @param {Record<string, any>} service */
function waits({ firstBatch = {}, cancel = {}, drain = {} }) {
  /** @param {string} what @param {string} load @param {Spread | undefined} spread @param {string} [unit] */
  const row = (what, load, spread, unit = 'ms') => [
    what,
    `\`${load}\``,
    ...spreadCells(spread, unit),
    String(spread?.count ?? '-'),
  ];
  /** @param {Record<string, any>} byLoad @param {(load: string, figures: any) => string[][]} rows */
  const each = (byLoad, rows) => Object.entries(byLoad).flatMap(([load, figures]) => rows(load, figures));
  return table(
    ['from ... to', 'load', 'p50', 'p99', 'max', 'samples'],
    [
      ...each(firstBatch, (load, { coldMs, warmMs }) => [
        row('loop to first batch, cold runtime (its threads come up)', load, coldMs),
        row('loop to first batch, warm runtime', load, warmMs),
      ]),
      ...each(cancel, (load, { settledMs, idleMs }) => [
        row('`token.cancel()` to the loop settled', load, settledMs),
        row('`token.cancel()` to nothing in flight, all memory back', load, idleMs),
      ]),
      ...each(drain, (load, { recordMs, deliveredAfter }) => [
        row('`token.drain()` to the record', load, recordMs),
        row('objects delivered after `token.drain()`', load, deliveredAfter, ''),
      ]),
    ],
  );
}

/** @param {Record<string, any>} byLoad */
function loop(byLoad) {
  const rows = Object.entries(byLoad).map(([load, { p50Ms, p99Ms, maxMs }]) => [
    `\`${load}\``,
    ...[p50Ms, p99Ms, maxMs].map((value) => quantity(value, 'ms')),
  ]);
  return table(['event-loop delay of the service at full speed', 'p50', 'p99', 'max'], rows);
}

/** @param {Record<string, any>} byLoad */
function memory(byLoad) {
  const rows = Object.entries(byLoad).map(([load, figures]) => [
    `\`${load}\``,
    ...[figures.budgetBytes, figures.idleBytes, figures.peakBytes, figures.arenaPeakBytes].map(megabytes),
    quantity(figures.growthOverBudget, 'x'),
  ]);
  const head = ['memory', 'budget', 'RSS idle', 'RSS peak', 'budget used at most', '(peak - idle) / budget'];
  return table(head, rows);
}

/** @param {Record<string, any>} service */
function keys({ millionKeys = null, hundredMillionKeys = null }) {
  const named = /** @type {const} */ ([
    ['1,000,000, in order, to the end', millionKeys],
    [`100,000,000, shuffled, the first ${number(hundredMillionKeys?.seen ?? 0)}`, hundredMillionKeys],
  ]);
  const rows = named.flatMap(([name, found]) =>
    found === null
      ? []
      : [
          [
            name,
            quantity(found.firstBatchMs, 'ms'),
            quantity(found.cpuMicrosPerKey, 'us'),
            quantity(found.wallMicrosPerKey, 'us'),
            megabytes(found.peakRssBytes),
          ],
        ],
  );
  const head = [
    'computed keys, objects of 64 bytes made in memory',
    'first batch',
    'CPU per key',
    'wall per key',
    'RSS peak',
  ];
  return table(head, rows);
}
