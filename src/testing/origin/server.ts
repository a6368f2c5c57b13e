/**
 * The origin: connections, the service behind them (a dialect), the fault script, counters, the log, and conditions to wait for.
 *
 * What it keeps true:
 * 1. A request is in flight from the moment its last byte was read until its answer was handed to the kernel or its
 *    connection ended.
 * 2. A waiter is looked at after every change of a counter, so nobody needs to poll.
 * 3. The log is bounded; what fell out is counted.
 */
import { createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TLSSocket, createSecureContext } from 'node:tls';
import { createCatalogue } from './catalogue.js';
import { Connection } from './connection.js';
import { deliver } from './delivery.js';
import { createDialect } from './dialect.js';
import { dripping, Unread } from './entrance.js';
import { createScript, disguise, scriptedFailure } from './rules.js';
import { failure } from './failure.js';
import { logEntry } from './log.js';
import { signerOf } from './request.js';
import { answer } from './response.js';
import type { AddressInfo, Socket } from 'node:net';
import type { Response } from './response.js';
import type { SecureContext } from 'node:tls';
import type { Common, Dialect } from './dialect.js';
import type { Fault, ConnectionFault, Rule, ConnectionRule } from './rules.js';

const DEFAULT_LOG_LIMIT = 20_000;
/** Of the event loop: one accepts, one reads, and TLS takes two more round trips of a client that may be gone already. */
const TURNS_TO_TAKE_IN = 8;
const WAITABLE = [
  'inFlight',
  'requests',
  'stalled',
  'connections',
  'opened',
  'answered',
  'aborted',
  'bytesSent',
  'faults',
];

const freshCounters = () => ({
  requests: 0,
  answered: 0,
  aborted: 0,
  inFlight: 0,
  maxInFlight: 0,
  stalled: 0,
  connections: 0,
  maxConnections: 0,
  opened: 0,
  bytesSent: 0,
  faults: 0,
  logDropped: 0,
});

const NO_ANSWER: Response = answer(0, []);

export class OriginServer {
  #server = createServer((raw) => this.#accept(raw));
  #connections: Set<Connection | Unread> = new Set();
  #stalled: Set<Connection | Unread> = new Set();
  #counters = freshCounters();
  #byStatus: Record<string, number> = {};
  #log: any[] = [];
  #marks = 0;
  #script;
  #waiters: Set<() => void> = new Set();
  #options;
  #tls: SecureContext | null;
  #common: Common;
  #dialect: Dialect;
  #clockOffsetMs = 0;
  #hits: WeakMap<object, { index: number; fault: Fault }> = new WeakMap();
  #unlocated = new WeakSet();

  /** @param options the options of startOrigin, checked there */
  constructor(options: any) {
    this.#options = options;
    this.#tls = options.tls === undefined ? null : createSecureContext(options.tls);
    this.#common = {
      buckets: createCatalogue(options.objects ?? [], options.buckets ?? []),
      publicBuckets: new Set(),
      forbidden: [],
      secure: options.tls !== undefined,
    };
    this.#dialect = createDialect(options.dialect ?? 's3', this.#common);
    this.#script = createScript([], this.#dialect);
    this.configure(options);
  }

  /** Returns the port it listens on */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => {
        this.#server.off('error', reject);
        const address = this.#server.address() as AddressInfo;
        resolve(address.port);
      });
    });
  }

  #accept(raw) {
    raw.setNoDelay(true);
    this.#count('opened', 1);
    const id = this.#counters.opened;
    const fault = this.#script.ofConnection(performance.now());
    if (fault !== null) this.#count('faults', 1);
    raw.on('error', () => {});
    if (fault?.end === 'reset') raw.resetAndDestroy();
    else if (fault?.end === 'cut') raw.destroy();
    else if (fault?.accept === undefined) this.#welcome(id, raw, fault);
    else void this.#keepWaiting(id, raw, fault);
  }

  async #keepWaiting(id: number, raw: Socket, fault: ConnectionFault) {
    const unread = new Unread(raw);
    this.#connections.add(unread);
    this.#count('connections', 1);
    this.#onStall(unread, true);
    const there = await unread.wait(fault.accept === 'stall' ? undefined : fault.accept);
    this.#onStall(unread, false);
    this.#ended(unread);
    if (there) this.#welcome(id, raw, fault);
  }

  #welcome(id: number, raw: Socket, fault: ConnectionFault | null) {
    const connection = new Connection(id, this.#secured(raw, fault), raw, {
      arrived: (from, request) => this.#arrived(from, request),
      abandoned: (from, request, bodyBytes) => this.#abandoned(from, request, bodyBytes),
      answer: (from, request) => this.#answer(from, request),
      refuse: (from, failed) => this.#refuse(from, failed),
      ended: (from) => this.#ended(from),
      stalled: (from, begins) => this.#onStall(from, begins),
    });
    this.#connections.add(connection);
    this.#count('connections', 1);
  }

  #secured(raw, fault) {
    const secureContext = this.#tls;
    if (secureContext === null) return raw;
    if (fault?.handshake === undefined) return new TLSSocket(raw, { isServer: true, secureContext });
    const { stream, flow } = dripping(raw, fault.handshake);
    return new TLSSocket(stream, { isServer: true, secureContext }).once('secure', flow);
  }

  #ended(connection) {
    this.#connections.delete(connection);
    this.#count('connections', -1);
  }

  #onStall(connection, begins) {
    if (begins) this.#stalled.add(connection);
    else this.#stalled.delete(connection);
    this.#count('stalled', begins ? 1 : -1);
  }

  #count(name, by) {
    const counters = this.#counters;
    counters[name] += by;
    if (counters.inFlight > counters.maxInFlight) counters.maxInFlight = counters.inFlight;
    if (counters.connections > counters.maxConnections) counters.maxConnections = counters.connections;
    for (const look of this.#waiters) look();
  }

  get #nowMs() {
    return Date.now() + this.#clockOffsetMs;
  }

  /** The script is asked when a head comes: some faults are met while the body is read. */
  #arrived(connection, request) {
    try {
      Object.assign(request, this.#dialect.locate(request));
    } catch {
      this.#unlocated.add(request);
      return null;
    }
    const hit = this.#script.ofRequest({ request, ordinal: connection.taken, nowMs: performance.now() });
    if (hit === null) return null;
    this.#hits.set(request, hit);
    this.#count('faults', 1);
    return hit.fault.onBody ?? null;
  }

  /** Its body never came whole, by a fault or by the client: it has no answer and no effect. */
  #abandoned(connection, request, bodyBytes) {
    const rule = this.#hits.get(request)?.index ?? null;
    const { entry } = this.#prepare(connection, request, NO_ANSWER, this.#nowMs, rule);
    entry.requestBytes = bodyBytes;
    entry.endedMs = entry.atMs;
    this.#counters.requests += 1;
    this.#count('aborted', 1);
  }

  async #answer(connection, request) {
    const hit = this.#hits.get(request);
    const fault = hit?.fault ?? null;
    const nowMs = this.#nowMs;
    const found = this.#carryOut(request, nowMs, fault);
    const { response, entry } = this.#prepare(connection, request, found, nowMs, hit?.index ?? null);
    this.#counters.requests += 1;
    this.#count('inFlight', 1);
    const isHead = request.method === 'HEAD';
    const close =
      request.headers.get('connection')?.toLowerCase() === 'close' || fault?.onBody?.do === 'answer';
    const said = fault === null ? response : disguise(response, fault);
    const done = await deliver(connection, said, { isHead, close, fault });
    this.#finish(entry, done);
    return done.keep;
  }

  /** The effect of a request, if it has one, and what is said about it. */
  #carryOut(request, nowMs, fault) {
    if (this.#unlocated.has(request)) return failure(400, 'InvalidURI', "Couldn't parse the specified URI.");
    if (fault !== null) this.#change(request, fault);
    const scripted = fault?.status !== undefined;
    const served =
      !scripted || fault.applied === true ? this.#dialect.serve(request, nowMs, fault?.lie, fault?.by) : null;
    return scripted || served === null ? scriptedFailure(fault, this.#dialect) : served;
  }

  /** What a fault does to the service before the request is served. */
  #change(request, { overwrite, expire }) {
    const { bucket, key } = request;
    if (overwrite !== undefined)
      this.bump({ bucket, key, size: overwrite === true ? undefined : overwrite.size });
    const id = expire === true ? signerOf(request) : expire;
    // One that is not known has no end either.
    if (id !== undefined) this.#dialect.expire(id);
  }

  #prepare(connection, request, found, nowMs, rule) {
    const dialect = this.#dialect;
    const ids = dialect.newIds(nowMs);
    const response =
      'message' in found
        ? dialect.failureResponse(found, ids, request.method !== 'HEAD', request)
        : { ...found };
    response.headers = [...dialect.commonHeaders(ids, nowMs, request), ...response.headers];
    const entry = logEntry(request, response, dialect, {
      number: this.#counters.requests + 1,
      requestId: ids.requestId,
      rule,
      marks: this.#marks,
      connection: connection.id,
      ordinal: connection.taken,
    });
    this.#log.push(entry);
    if (this.#log.length > (this.#options.logLimit ?? DEFAULT_LOG_LIMIT)) {
      this.#log.shift();
      this.#counters.logDropped += 1;
    }
    return { response, entry };
  }

  #finish(entry, done) {
    entry.endedMs = performance.now();
    entry.bodyBytes = done.bodyBytes;
    entry.complete = done.complete;
    this.#byStatus[entry.status] = (this.#byStatus[entry.status] ?? 0) + 1;
    this.#counters.bytesSent += done.bodyBytes;
    this.#counters[done.complete ? 'answered' : 'aborted'] += 1;
    this.#count('inFlight', -1);
  }

  async #refuse(connection, failed) {
    const ids = this.#dialect.newIds(this.#nowMs);
    const response = this.#dialect.failureResponse(failed, ids, true, null);
    await deliver(connection, response, { isHead: false, close: true, fault: null });
    return false;
  }

  /** Changes what is given, leaves the rest. */
  configure(patch: any) {
    const common = this.#common;
    if (patch.publicBuckets !== undefined) common.publicBuckets = new Set(patch.publicBuckets);
    if (patch.forbidden !== undefined) common.forbidden = patch.forbidden.map((one) => new RegExp(one));
    if (patch.clockOffsetMs !== undefined) this.#clockOffsetMs = patch.clockOffsetMs;
    this.#dialect.configure(patch);
  }

  /** @param id of a key or token */
  expire(id: string) {
    if (!this.#dialect.expire(id))
      throw new Error(`expire: no credential ${id} here; an account key has no end`);
  }

  script(rules: Array<Rule | ConnectionRule>) {
    this.#script = createScript(rules, this.#dialect);
  }

  bump({ bucket, key, size }: { bucket: string; key?: string; size?: number }) {
    const found = this.#common.buckets.get(bucket);
    if (found === undefined) throw new Error(`bump: no bucket ${bucket} here`);
    found.bump(key, size);
  }

  mark() {
    this.#marks += 1;
    return this.#marks;
  }

  requests() {
    return this.#log;
  }

  stats() {
    return {
      ...this.#counters,
      byStatus: { ...this.#byStatus },
      fired: this.#script.fired(),
      marks: this.#marks,
      ...this.#dialect.counters?.(),
    };
  }

  /** Ends what stalls now. Returns how many */
  release(): number {
    const all = [...this.#stalled];
    for (const connection of all) connection.release();
    return all.length;
  }

  /** Ends connections that answer nothing now. Returns how many */
  closeIdle(withReset: boolean): number {
    const idle = [...this.#connections].filter((connection) => !connection.busy);
    for (const connection of idle) {
      if (withReset) connection.reset();
      else connection.destroy();
    }
    return idle.length;
  }

  /**
   * Forgets the script, the log, the marks and the totals; connections and objects stay. What clients sent and gave up
   * before is taken in first: it belongs to what is forgotten, and would else be seen in the log of what comes next.
   */
  async reset() {
    for (let turn = 0; turn < TURNS_TO_TAKE_IN; turn += 1) await nextTurn();
    const { inFlight, stalled, connections, opened } = this.#counters;
    this.#counters = { ...freshCounters(), inFlight, stalled, connections, opened };
    this.#counters.maxInFlight = inFlight;
    this.#counters.maxConnections = connections;
    this.#byStatus = {};
    this.#log = [];
    this.#marks = 0;
    this.#script = createScript([], this.#dialect);
    this.#dialect.forgetCounters?.();
    this.release();
  }

  /** Resolves when every counter named has at least that value; a 0 means exactly 0. */
  waitFor(condition: Record<string, number>) {
    const names = Object.keys(condition);
    const unknown = names.find((name) => !WAITABLE.includes(name));
    if (unknown !== undefined) throw new Error(`waitFor: ${unknown} is none of ${WAITABLE.join(', ')}`);
    const holds = () =>
      names.every((name) =>
        condition[name] === 0 ? this.#counters[name] === 0 : this.#counters[name] >= condition[name],
      );
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#waiters.delete(look);
        resolve(undefined);
      };
      this.#waiters.add(look);
    });
  }

  /** Ends every connection, then the listener. */
  close() {
    return new Promise((resolve) => {
      this.#server.close(() => resolve(undefined));
      for (const connection of this.#connections) connection.destroy();
    });
  }
}
