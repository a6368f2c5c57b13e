/**
 * What a script may say, checked before the origin is told.
 *
 * What it keeps true:
 * 1. A rule whose name, value or pair of faults would do nothing is refused: it would count as met, and its test would pass.
 * 2. Each rule of a script is counted by a name of its own.
 */
import { flag, invalidOption, isWhole, oneOf, whole } from '../loader/schema.js';
import * as is from './origin-checks.js';
import type { DialectName } from './origin/options.js';
import type { Operation } from './origin/records.js';
import type {
  ConnectionFault,
  ConnectionRule,
  Drip,
  Fault,
  Lie,
  Moments,
  OnBody,
  Rule,
} from './origin/rules.js';

const OPERATIONS: Readonly<Record<Operation, true>> = {
  get: true,
  head: true,
  list: true,
  put: true,
  copy: true,
  delete: true,
  'delete-many': true,
  'create-upload': true,
  'put-part': true,
  'complete-upload': true,
  'abort-upload': true,
  'list-uploads': true,
  'list-parts': true,
  compose: true,
  token: true,
  other: true,
};

const LIES: Readonly<Record<Lie, true>> = {
  'short-length': true,
  'long-length': true,
  'wrong-range': true,
  'short-range': true,
  'ignore-range': true,
  'two-lengths': true,
  'gzip-encoding': true,
  'bad-status-line': true,
  'huge-head': true,
  'folded-head': true,
  'bare-lf': true,
  'wrong-bytes': true,
  'mixed-version': true,
  chunked: true,
  'no-length': true,
  interim: true,
  'partial-chunk': true,
  'rewrite-loop': true,
  'range-label': true,
  'range-total': true,
  'same-continuation': true,
  'repeat-page': true,
  'skip-page': true,
  'no-etag': true,
};

/** Those that have an amount. */
const WITH_AMOUNT: ReadonlySet<Lie> = new Set<Lie>([
  'short-length',
  'long-length',
  'two-lengths',
  'huge-head',
  'wrong-bytes',
  'partial-chunk',
  'rewrite-loop',
  'range-label',
  'range-total',
]);
/** Those that are told by what the service does, not by what its answer looks like; no other service does the like. */
const OF_GCS: ReadonlySet<Lie> = new Set<Lie>(['partial-chunk', 'rewrite-loop']);

/** A header of more is no string any more. */
const MAX_BY = 2 ** 28;
const MAX_DRIP_BYTES = 262_144;
const LEAST_RATE = 0.001;

const drip: is.Names<Drip> = {
  bytes: whole(1, MAX_DRIP_BYTES),
  everyMs: is.millis,
  of: oneOf('head', 'body'),
};

const place = is.fits(
  '"before-head", "after-head" or a whole number from 0 on',
  (given) => given === 'before-head' || given === 'after-head' || isWhole(given, 0),
);

const fault: is.Names<Fault> = {
  delayMs: is.millis,
  onBody: is.shape<OnBody>(
    {
      at: is.fits('"whole" or a whole number from 0 on', (given) => given === 'whole' || isWhole(given, 0)),
      do: oneOf('reset', 'cut', 'stall', 'answer'),
      ms: is.millis,
    },
    'at',
    'do',
  ),
  status: whole(200, 599),
  applied: flag,
  code: is.name,
  message: is.text,
  retryAfter: is.fits(
    'a number of seconds or a date as a text',
    (given) => is.isText(given) || (typeof given === 'number' && given >= 0 && given < Infinity),
  ),
  cutAfter: place,
  reset: place,
  stall: place,
  stallMs: is.millis,
  slow: is.numberIn(LEAST_RATE, Number.MAX_SAFE_INTEGER),
  drip: is.shape(drip, 'bytes', 'everyMs'),
  overwrite: (given, at) => {
    if (given !== true) is.shape<{ size: number }>({ size: whole(0) }, 'size')(given, at);
  },
  expire: is.fits('true, or the id of a key or token', (given) => given === true || is.isText(given)),
  lie: is.wordOf(LIES),
  by: whole(0, MAX_BY),
  close: is.fits('true, false or "silent"', (given) => typeof given === 'boolean' || given === 'silent'),
  headers: is.record('texts or null', (given) => is.isText(given) || given === null),
  raw: is.bytes,
};

const moments: is.Names<Moments> = {
  name: is.name,
  nth: is.ordinals,
  every: whole(1),
  after: whole(0),
  window: is.shape<NonNullable<Moments['window']>>({ fromMs: is.millis, forMs: is.millis }),
  probability: is.numberIn(0, 1),
  seed: whole(Number.MIN_SAFE_INTEGER),
  times: whole(1),
};

const ofRequests: is.Names<Rule> = {
  ...moments,
  key: is.pattern,
  bucket: is.name,
  method: is.fits('a method in capital letters', (given) => is.isText(given) && /^[A-Z]+$/.test(given)),
  op: is.wordOf(OPERATIONS),
  range: is.pattern,
  ordinal: is.ordinals,
  do: is.shape(fault),
};

const ofConnections: is.Names<ConnectionRule> = {
  ...moments,
  connection: is.shape<ConnectionFault>({
    accept: is.fits(
      `"stall" or a number of milliseconds from 0 to ${is.MAX_MS}`,
      (given) => given === 'stall' || (typeof given === 'number' && given >= 0 && given <= is.MAX_MS),
    ),
    handshake: is.shape<Omit<Drip, 'of'>>({ bytes: drip.bytes, everyMs: drip.everyMs }, 'bytes', 'everyMs'),
    end: oneOf('cut', 'reset'),
  }),
};

const ruleOfRequests = is.shape(ofRequests);
const ruleOfConnections = is.shape(ofConnections);
const anyRule = is.shape<Rule & ConnectionRule>({ ...ofRequests, ...ofConnections });

/** Of which service and how the origin is that a script is for. */
export interface Scripted {
  readonly dialect: DialectName;
  readonly secure: boolean;
}

/** @throws MillraceError InvalidArgument with the index of the rule */
export function checkRules(rules: ReadonlyArray<Rule | ConnectionRule>, scripted: Scripted): void {
  const known = new Set<string>();
  rules.forEach((rule, index) => {
    const at = `origin: script: rules[${index}]`;
    checkRule(rule, at, scripted);
    const name = rule.name ?? String(index);
    if (known.has(name)) throw is.refusal(`${at}: another rule is counted as ${name} too; name them apart`);
    known.add(name);
  });
}

function checkRule(rule: Rule | ConnectionRule, at: string, { dialect, secure }: Scripted): void {
  if (typeof rule !== 'object' || rule === null) throw invalidOption(at, 'an object', rule);
  if ('do' in rule === 'connection' in rule) {
    anyRule(rule, at);
    throw is.refusal(`${at} needs either do or connection`);
  }
  if ('do' in rule) {
    ruleOfRequests(rule, at);
    if (rule.do === undefined) throw invalidOption(`${at}.do`, 'an object', undefined);
    const wrong = deadIn(rule.do, dialect);
    if (wrong !== null) throw is.refusal(`${at}.do: ${wrong}`);
    return;
  }
  ruleOfConnections(rule, at);
  if (rule.connection === undefined) throw invalidOption(`${at}.connection`, 'an object', undefined);
  if (rule.connection.handshake !== undefined && !secure)
    throw is.refusal(`${at}.connection: handshake needs an origin that was started with secure: true`);
}

const WITH_STATUS = ['applied', 'code', 'message', 'retryAfter'] as const;

/** What of a fault would do nothing, or null. */
function deadIn(given: Fault, dialect: DialectName): string | null {
  const { onBody, status, lie } = given;
  if (onBody?.do === 'answer' && status === undefined)
    return 'an answer on the body needs a status: the request is not carried out';
  if (onBody?.ms !== undefined && onBody.do !== 'stall') return 'onBody.ms is for a stall alone';
  const lonely = WITH_STATUS.find((name) => given[name] !== undefined);
  if (lonely !== undefined && status === undefined) return `${lonely} needs a status`;
  if (given.stallMs !== undefined && given.stall === undefined) return 'stallMs needs a stall';
  if (given.by !== undefined && (lie === undefined || !WITH_AMOUNT.has(lie)))
    return `by needs a lie with an amount: one of ${[...WITH_AMOUNT].join(', ')}`;
  if (lie !== undefined && OF_GCS.has(lie) && dialect !== 'gcs') return `${lie} is of gcs, not of ${dialect}`;
  return given.raw === undefined ? null : deadBesideRaw(given);
}

/** The same of what is said with bytes that have neither head nor body. */
function deadBesideRaw({ headers, lie, drip: drops, cutAfter, reset, stall }: Fault): string | null {
  if (headers !== undefined) return 'headers are not added to raw bytes';
  if (lie !== undefined && !OF_GCS.has(lie)) return `raw bytes cannot tell the lie ${lie} too`;
  if (drops?.of !== undefined) return `raw bytes have no ${drops.of} that drips: leave drip.of out`;
  if ([cutAfter, reset, stall].includes('after-head'))
    return 'raw bytes have no head: give a number of them in place of "after-head"';
  return null;
}

/** Which requests of the log are asked for. */
const filter = is.shape<{ afterMark?: boolean; op?: Operation }>({
  afterMark: flag,
  op: is.wordOf(OPERATIONS),
});

/** @throws MillraceError InvalidArgument */
export const checkFilter = (given: object): void => filter(given, 'origin: requests');
