/**
 * The arrows between the rooms of src: who may import whom. Type-only imports count the same.
 *
 * What is read as an import: `import` and `export ... from`, `import()` (also as a type), `require()`, and
 * `new URL('./file', import.meta.url)`, which is how a thread's entry or a store's module is named.
 */
import { posix } from 'node:path';
import { closingOf } from './source.mjs';

/** @typedef {{ offset: number, specifier: string | null, kind: 'static' | 'type' | 'dynamic' | 'url' }} Import */
/** @typedef {{ offset: number, rule: string, message: string }} Finding */

/** For each room, the rooms it may import beside itself. A room that is not here may not exist. */
export const ARROWS = {
  index: ['host', 'loader', 'decorators', 'protocol'],
  cli: ['index', 'protocol'],
  testing: [
    'testing/origin',
    'host',
    'backends/memory',
    'loader',
    'actors',
    'runtime/simulation',
    'protocol',
  ],
  // It shares nothing with what it is there to test but the pattern of its objects.
  'testing/origin': ['backends/memory'],
  host: [
    'loader',
    'decorators',
    'actors',
    'runtime',
    'runtime/threads',
    'runtime/simulation',
    'backends',
    'transport',
    'protocol',
  ],
  loader: ['actors', 'decorators', 'protocol'],
  actors: ['protocol'],
  runtime: ['protocol'],
  'runtime/threads': ['runtime', 'protocol'],
  'runtime/simulation': ['runtime', 'protocol'],
  backends: ['backends/http', 'protocol'],
  'backends/http': ['protocol'],
  decorators: ['protocol'],
  transport: ['protocol'],
  protocol: [],
};

/** Packages that only some rooms may import; `late` ones only as types or with `import()`, when they are needed. */
const PACKAGES = [
  { name: /^piscina$/, rooms: ['host', 'runtime/threads'], late: false },
  { name: /^comlink(\/|$)/, rooms: ['host', 'runtime/threads'], late: false },
  { name: /^@(aws-sdk|smithy|azure|google-cloud)\//, rooms: ['backends'], late: true },
];

/** Rooms that load modules a user named. */
const LOADS_BY_NAME = ['host', 'runtime/threads'];

/** The room of a file by its path below src, or null. @param {string} path */
export function roomOf(path) {
  const [first, second, third] = path.split('/');
  if (second === undefined) return first === 'index.ts' ? 'index' : null;
  if (first === 'backends') return third === undefined ? 'backends' : `backends/${second}`;
  if ((first === 'runtime' || first === 'testing') && third !== undefined)
    return `${first}/${second}` in ARROWS ? `${first}/${second}` : null;
  return first in ARROWS && first !== 'index' ? first : null;
}

/** A backend's own room is its own, and has the arrows of every backend. @param {string} room */
function kindOf(room) {
  return room.startsWith('backends/') && !(room in ARROWS) ? 'backends' : room;
}

/** @param {string} from @param {string} to */
function mayImport(from, to) {
  // One backend never knows another: only host's arrow reaches them all.
  if (from === to) return true;
  const arrows = ARROWS[kindOf(from)];
  return arrows.includes(to) || (arrows.includes('backends') && kindOf(to) === 'backends');
}

/** @param {import('./source.mjs').Source} source @returns {Import[]} */
export function importsOf({ code, strings }) {
  const literalAt = new Map(strings.map((literal) => [literal.start, literal.value]));
  /** @type {Import[]} */
  const found = [];
  for (const match of code.matchAll(/\bfrom\s*(?=['"])|(?<![.\w$])import\s*(?=['"])/g)) {
    const specifier = literalAt.get(match.index + match[0].length) ?? null;
    found.push({ offset: match.index, specifier, kind: isTypeOnly(code, match.index) ? 'type' : 'static' });
  }
  for (const match of code.matchAll(
    /(?<![.\w$])(import|require|import\s*\.\s*meta\s*\.\s*resolve)\s*\(\s*/g,
  )) {
    const literal = strings.find((each) => each.start === match.index + match[0].length);
    const behind = literal === undefined ? '' : code.slice(literal.end).trimStart()[0];
    const whole = behind === ')' || behind === ',';
    const kind = match[1] === 'require' ? 'static' : 'dynamic';
    found.push({ offset: match.index, specifier: whole ? literal.value : null, kind });
  }
  for (const match of code.matchAll(/\bnew\s+URL\s*\(\s*(?=['"`])/g)) {
    const specifier = literalAt.get(match.index + match[0].length) ?? '';
    const call = code.slice(match.index, closingOf(code, match.index + match[0].indexOf('(')));
    if (specifier.startsWith('.') && call.includes('import.meta.url'))
      found.push({ offset: match.index, specifier, kind: 'url' });
  }
  return found.sort((a, b) => a.offset - b.offset);
}

/** Whether the `from` at this offset ends an `import type` or `export type`. @param {string} code @param {number} offset */
function isTypeOnly(code, offset) {
  const match = /^[\s\S]*\b(?:import|export)\b(\s+type\b)?/.exec(code.slice(0, offset));
  return match?.[1] !== undefined;
}

/**
 * @param {string} path below src, with `/` @param {import('./source.mjs').Source} source
 * @returns {Finding[]}
 */
export function checkArrows(path, source) {
  const room = roomOf(path);
  if (room === null) {
    const known = Object.keys(ARROWS).join(', ');
    const message = `found a file in no known room; move it into one of ${known}, or add its room to scripts/lib/rooms.mjs`;
    return [{ offset: 0, rule: 'rooms', message }];
  }
  return importsOf(source).flatMap((each) => {
    const message = complaint(path, room, each);
    return message === null ? [] : [{ offset: each.offset, rule: 'rooms', message }];
  });
}

/** @param {string} path @param {string} room @param {Import} each @returns {string | null} */
function complaint(path, room, { specifier, kind }) {
  if (specifier === null) {
    return LOADS_BY_NAME.includes(room)
      ? null
      : `found a module loaded by a computed name; only ${LOADS_BY_NAME.join(' and ')} load what a user named`;
  }
  if (!specifier.startsWith('.')) return packageComplaint(room, specifier, kind);
  const target = posix.normalize(posix.join(posix.dirname(path), specifier));
  if (target.startsWith('../'))
    return kind === 'url' ? null : `found an import of ${specifier}, which leaves src`;
  const to = roomOf(target.replace(/\.js$/, '.ts'));
  if (to === null) return `found an import of ${specifier}, which lies in no known room`;
  if (mayImport(room, to)) return null;
  const allowed = ARROWS[kindOf(room)].join(', ');
  return `found ${specifier}: ${room} may not import ${to}; it may import ${allowed || 'nothing else of ours'}`;
}

/** @param {string} room @param {string} specifier @param {Import['kind']} kind @returns {string | null} */
function packageComplaint(room, specifier, kind) {
  if (room === 'actors')
    return `found an import of ${specifier}; an actor has its context: import only from actors and protocol`;
  if (/^(node:)?process$/.test(specifier))
    return `found an import of ${specifier}; use the global process, so that its uses are seen`;
  const rule = PACKAGES.find(({ name }) => name.test(specifier));
  if (rule === undefined) return null;
  if (!rule.rooms.includes(kindOf(room)))
    return `found an import of ${specifier} in ${room}; only ${rule.rooms.join(' and ')} may know it`;
  if (rule.late && kind === 'static')
    return `found ${specifier} loaded with the module; use import type, and await import() when the scheme is used`;
  return null;
}
