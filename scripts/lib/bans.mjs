/**
 * What no file of src may contain, or only those of some rooms. Each rule keeps a part of an invariant that no type
 * and no linter sees; what a rule does not see is said beside it.
 *
 * All searches run over code without comments, strings and regular expressions, in which `a['b']` reads `a.b`. A member
 * taken out of its object by destructuring (`const { race } = Promise`) is the linter's business, not seen here.
 */
import { roomOf } from './rooms.mjs';
import { closingOf, withDottedMembers } from './source.mjs';

/** @typedef {import('./source.mjs').Source} Source */
/** @typedef {import('./rooms.mjs').Finding} Finding */
/** @typedef {{ path: string, room: string, source: Source, code: string }} File */

const inCli = ({ room }) => room === 'cli';
/** A process of its own, with sockets of its own. */
const inOrigin = ({ room }) => room === 'testing/origin';
const inActors = ({ room }) => room === 'actors';
/** Rooms in which a wait is made; the others only hand waits on. */
const waits = ({ room }) => ['actors', 'loader', 'protocol'].includes(room);

/** Where `destroy` is a socket's, an SDK client's or an idle pool's. Who calls it when is for the tests to see. */
const DESTROYS = new Set(['host', 'runtime/threads', 'transport', 'backends', 'testing/origin']);
const destroys = ({ room }) => DESTROYS.has(room.replace(/^backends\/.*/, 'backends'));

/** A name on its own: no member of something else, and no key of an object or field of a type. */
const free = (/** @type {string} */ names) =>
  new RegExp(`(?<![#\\w$]|(?<!\\.\\.)\\.)(?:${names})\\b(?!\\s*\\??:)`, 'g');

/** @type {{ rule: string, pattern: RegExp, unless?: (file: File) => boolean, advice: string }[]} */
const BANS = [
  {
    rule: 'no-terminate',
    pattern: /\.\s*terminate\b/g,
    advice: 'a thread ends by its token: turn the token and await the actor',
  },
  {
    rule: 'no-destroy',
    pattern: /\.\s*destroy\s*(?:\?\.\s*)?\(/g,
    unless: destroys,
    advice: `only ${[...DESTROYS].join(', ')} own something that is destroyed; close it through its room`,
  },
  {
    rule: 'no-process-exit',
    pattern: /\bprocess\s*(?:\?\.|\.)\s*(?:exit|kill|abort|reallyExit)\b/g,
    unless: (file) => inCli(file) || inOrigin(file),
    advice: 'only the command line may end or signal a process; throw a MillraceError',
  },
  {
    rule: 'no-sigkill',
    pattern: /\bSIGKILL\b/g,
    unless: inCli,
    advice: 'only the command line may decide that',
  },
  {
    rule: 'no-leaking-race',
    pattern: /\bPromise\s*\.\s*(?:race|any)\b|\bAbortSignal\s*\.\s*any\b/g,
    advice: 'it holds on to every loser for as long as the longest lives; link to the token and unlink',
  },
  {
    rule: 'actors-are-pure',
    pattern: free(
      'process|performance|globalThis|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|crypto|' +
        'MessageChannel|BroadcastChannel|require',
    ),
    unless: (file) => !inActors(file),
    advice: 'an actor touches the world only through its context; if it is a name of yours, choose another',
  },
  {
    rule: 'actors-are-pure',
    pattern:
      /\bDate\s*\.\s*now\b|\bnew\s+Date\s*(?:\(\s*\)|(?!\s*\())|\bMath\s*\.\s*random\b|\bAtomics\s*\.\s*wait(?:Async)?\b/g,
    unless: (file) => !inActors(file),
    advice:
      'take now(), wallNow(), random() and every wait from the context, so that the simulation can replay it',
  },
  {
    rule: 'actors-are-pure',
    pattern: /\bfor\s+await\b/g,
    unless: (file) => !inActors(file),
    advice: 'an iterator waits without a token; receive with one',
  },
];

/** @param {string} path below src @param {Source} source @returns {Finding[]} */
export function checkBans(path, source) {
  const file = { path, room: roomOf(path) ?? '', source, code: withDottedMembers(source) };
  return [
    ...bannedWords(file),
    ...killSignals(file),
    ...poolSignals(file),
    ...events(file),
    ...openWaits(file),
  ];
}

/** @param {File} file @returns {Finding[]} */
function bannedWords(file) {
  return BANS.filter(({ unless }) => unless === undefined || !unless(file)).flatMap(
    ({ rule, pattern, advice }) =>
      [...file.code.matchAll(pattern)].map((match) => ({
        offset: match.index,
        rule,
        message: `found ${match[0].replaceAll(/\s+/g, ' ').trim()}; ${advice}`,
      })),
  );
}

/** A signal's name is a string: the whole string, so that a message may speak of it. @param {File} file @returns {Finding[]} */
function killSignals(file) {
  if (inCli(file)) return [];
  return file.source.strings
    .filter(({ value }) => value === 'SIGKILL')
    .map(({ start }) => ({
      offset: start,
      rule: 'no-sigkill',
      message: `found the signal 'SIGKILL'; only the command line may decide that`,
    }));
}

/**
 * piscina answers an aborted signal by terminating the thread. Sees a `signal` in the arguments of any `run` in a file
 * that imports piscina; not one inside an options object made elsewhere.
 * @param {File} file @returns {Finding[]}
 */
function poolSignals({ code, source }) {
  if (!source.strings.some(({ value }) => value === 'piscina')) return [];
  return calls(code, /\.\s*run(?:Task)?\s*\(/g)
    .filter(({ text }) => /\bsignal\b/.test(text))
    .map(({ offset }) => ({
      offset,
      rule: 'no-pool-signal',
      message:
        'found a signal given to a pool; it would terminate the thread: send the stop through the token word',
    }));
}

/**
 * `on` of node:events queues without a bound, and `once` waits for ever, unless it is given a signal. Timers of
 * node:timers/promises sleep through a stop.
 * @param {File} file @returns {Finding[]}
 */
function events(file) {
  const { code, source } = file;
  /** @type {Finding[]} */
  const found = [];
  const imported = (/** @type {RegExp} */ name) => source.strings.find(({ value }) => name.test(value));
  const sleeping = imported(/^(node:)?timers\/promises$/);
  if (sleeping !== undefined && !inCli(file) && !inOrigin(file)) {
    const message = 'found timers/promises; its sleeps know no token: use the sleep of the context';
    found.push({ offset: sleeping.start, rule: 'waits-end', message });
  }
  const from = imported(/^(node:)?events$/);
  if (from === undefined) return found;
  const names = /(?:import|export)([^;]*?)from\s*$/.exec(code.slice(0, from.start))?.[1] ?? '';
  const bare = /\bon\b/.test(names) ? '|(?<![.#\\w$])on' : '';
  for (const { offset } of calls(
    code,
    new RegExp(`\\b(?:events|EventEmitter)\\s*\\.\\s*on\\s*\\(${bare && `${bare}\\s*\\(`}`, 'g'),
  )) {
    const message =
      'found on() of node:events; it queues without a bound: add a listener and bound what it keeps';
    found.push({ offset, rule: 'waits-end', message });
  }
  for (const { offset, text } of calls(
    code,
    /(?<![.#\w$])once\s*\(|\b(?:events|EventEmitter)\s*\.\s*once\s*\(/g,
  )) {
    if (/\bsignal\b/.test(text)) continue;
    const message = 'found once() of node:events without a signal; it can wait for ever';
    found.push({ offset, rule: 'waits-end', message });
  }
  return found;
}

/**
 * Every wait is raced with its token. Sees two things: a `new Promise(` whose executor links to no token (onStop,
 * onTurn, onChange), and any use of NEVER, the token that never turns. Either may stand if a comment on its line, or straight
 * above it, says who ends the wait: `// Wait ends: ...`. That a call takes a token at all is for the types to say.
 * @param {File} file @returns {Finding[]}
 */
function openWaits(file) {
  if (!waits(file)) return [];
  /** @type {Finding[]} */
  const found = [];
  for (const { offset, text } of calls(file.code, /\bnew\s+Promise\s*(?:<(?:[^;<>]|=>|<[^<>]*>)*>)?\s*\(/g)) {
    if (/\.\s*on(?:Stop|Turn|Change)\b/.test(text) || isExplained(file.source, offset)) continue;
    const message =
      'found new Promise without onStop; link it to a token, or say above it `// Wait ends: ` and by what';
    found.push({ offset, rule: 'waits-end', message });
  }
  if (file.room === 'protocol') return found;
  const withoutImports = file.code.replaceAll(/\bimport\b[^;'"]*\bfrom\b/g, (text) =>
    text.replaceAll(/\S/g, ' '),
  );
  for (const match of withoutImports.matchAll(free('NEVER'))) {
    if (isExplained(file.source, match.index)) continue;
    const message =
      'found NEVER in the place of a token; pass the token, or say above it `// Wait ends: ` and by what';
    found.push({ offset: match.index, rule: 'waits-end', message });
  }
  return found;
}

/** Whether a comment that ends on this line, or on the one above, says what ends the wait. @param {Source} source @param {number} offset */
function isExplained({ text, code, comments }, offset) {
  const lineStart = text.lastIndexOf('\n', offset) + 1;
  const lineEnd = text.indexOf('\n', offset);
  let from = lineStart;
  // Comment lines above belong together, however many there are.
  while (from > 0) {
    const above = text.lastIndexOf('\n', from - 2) + 1;
    if (text.slice(above, from).trim() === '' || code.slice(above, from).trim() !== '') break;
    from = above;
  }
  return comments.some(
    ({ start, end }) =>
      start >= from &&
      start < (lineEnd === -1 ? text.length : lineEnd) &&
      /\bWait ends: \S/i.test(text.slice(start, end)),
  );
}

/** Each call that a pattern (ending in the opening parenthesis) finds, with the text of its arguments. */
function calls(/** @type {string} */ code, /** @type {RegExp} */ pattern) {
  return [...code.matchAll(pattern)].map((match) => {
    const open = match.index + match[0].length - 1;
    return { offset: match.index, text: code.slice(open, closingOf(code, open)) };
  });
}
