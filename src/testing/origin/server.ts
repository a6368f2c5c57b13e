/**
 * The origin: connections, the service behind them (a dialect), the fault script, counters, the log, and conditions to wait for.
 *
 * What it keeps true:
 * 1. A request is in flight from the moment its last byte was read until its answer was handed to the kernel or its
 *    connection ended.
 * 2. Every change goes through a counter, and so past every waiter.
 * 3. What throws while a request is served ends that request alone, with a 500, and is told in the stats.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import { createCatalogue } from './catalogue.js';
import { Connection } from './connection.js';
import { Counters } from './counters.js';
import { deliver, type Delivered } from './delivery.js';
import type { Common, Dialect } from './dialect.js';
import { createDialect } from './dialects.js';
import { dripping, Unread } from './entrance.js';
import { failure, isFailure, type Failure } from './failure.js';
import { createScript, disguise, patternOf, scriptedFailure, type Script } from './faults.js';
import { Fence } from './fence.js';
import { logEntry, RequestLog } from './log.js';
import type { OriginPolicy } from './options.js';
import type { Given } from './orders.js';
import type { Condition, LoggedRequest, OriginStats } from './records.js';
import { signerOf, type Request } from './request.js';
import { answer, type Response } from './response.js';
import type { ConnectionFault, ConnectionRule, Fault, OnBody, Rule } from './rules.js';

const NO_ANSWER = answer(0, []);
const NO_FAULT: Fault = Object.freeze({});
const NOT_DELIVERED: Delivered = Object.freeze({ bodyBytes: 0, complete: false, keep: false });
/** The first ones tell enough. */
const MAX_DEFECTS = 100;

/** The rule that a request met. */
interface Hit {
  readonly index: number;
  readonly fault: Fault;
}

export class OriginServer {
  readonly #server = createServer((raw) => this.#accept(raw));
  readonly #fence = new Fence();
  readonly #connections = new Set<Connection | Unread>();
  readonly #stalled = new Set<Connection | Unread>();
  readonly #counters = new Counters();
  readonly #log: RequestLog;
  readonly #tls: SecureContext | null;
  readonly #common: Common;
  readonly #dialect: Dialect;
  readonly #hits = new WeakMap<Request, Hit>();
  /** Requests whose path the dialect could not take apart. */
  readonly #unlocated = new WeakSet<Request>();
  #byStatus: Record<string, number> = {};
  #defects: string[] = [];
  #marks = 0;
  #script: Script;
  #clockOffsetMs = 0;

  constructor(given: Given) {
    this.#log = new RequestLog(given.logLimit, () => this.#counters.add({ logDropped: 1 }));
    this.#tls = given.tls === undefined ? null : createSecureContext(given.tls);
    this.#common = {
      buckets: createCatalogue(given.objects ?? [], given.buckets ?? []),
      publicBuckets: new Set(),
      forbidden: [],
      secure: given.tls !== undefined,
    };
    this.#dialect = createDialect(given.dialect ?? 's3', this.#common);
    this.#script = createScript([], this.#dialect);
    this.configure(given);
  }

  /** Resolves with the port it listens on; 0 takes any free one. */
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

  #accept(raw: Socket): void {
    if (this.#fence.takes(raw)) return;
    raw.setNoDelay(true);
    this.#counters.add({ opened: 1 });
    const id = this.#counters.of('opened');
    const fault = this.#script.ofConnection(performance.now());
    if (fault !== null) this.#counters.add({ faults: 1 });
    raw.on('error', () => {});
    if (fault?.end === 'reset') raw.resetAndDestroy();
    else if (fault?.end === 'cut') raw.destroy();
    else if (fault?.accept === undefined) this.#welcome(id, raw, fault);
    else void this.#keepWaiting(id, raw, fault, fault.accept === 'stall' ? undefined : fault.accept);
  }

  /** @param ms until it is released where undefined */
  async #keepWaiting(id: number, raw: Socket, fault: ConnectionFault, ms: number | undefined): Promise<void> {
    const unread = new Unread(raw);
    this.#connections.add(unread);
    this.#counters.add({ connections: 1 });
    this.#onStall(unread, true);
    const there = await unread.wait(ms);
    this.#onStall(unread, false);
    this.#ended(unread);
    if (there) this.#welcome(id, raw, fault);
  }

  #welcome(id: number, raw: Socket, fault: ConnectionFault | null): void {
    const connection = new Connection(id, this.#secured(raw, fault), raw, {
      arrived: (from, request) => this.#arrived(from, request),
      abandoned: (from, request, bodyBytes) =>
        this.#attempt(request, () => this.#abandoned(from, request, bodyBytes), undefined),
      answer: (from, request) =>
        this.#answer(from, request).catch((error: unknown) => this.#tell(request, error)),
      refuse: (from, failed) =>
        this.#refuse(from, failed).catch((error: unknown) => void this.#tell(null, error)),
      ended: (from) => this.#ended(from),
      stalled: (from, begins) => this.#onStall(from, begins),
    });
    this.#connections.add(connection);
    this.#counters.add({ connections: 1 });
  }

  #secured(raw: Socket, fault: ConnectionFault | null): Socket {
    const secureContext = this.#tls;
    if (secureContext === null) return raw;
    if (fault?.handshake === undefined) return new TLSSocket(raw, { isServer: true, secureContext });
    const { stream, flow } = dripping(raw, fault.handshake);
    return new TLSSocket(stream, { isServer: true, secureContext }).once('secure', flow);
  }

  #ended(connection: Connection | Unread): void {
    this.#connections.delete(connection);
    this.#counters.add({ connections: -1 });
  }

  #onStall(connection: Connection | Unread, begins: boolean): void {
    if (begins) this.#stalled.add(connection);
    else this.#stalled.delete(connection);
    this.#counters.add({ stalled: begins ? 1 : -1 });
  }

  get #nowMs(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  /** The script is asked when a head comes: some faults are met while the body is read. */
  #arrived(connection: Connection, request: Request): OnBody | null {
    try {
      Object.assign(request, this.#dialect.locate(request));
    } catch {
      this.#unlocated.add(request);
      return null;
    }
    const arrival = { request, ordinal: connection.taken, nowMs: performance.now() };
    const hit = this.#attempt(request, () => this.#script.ofRequest(arrival), null);
    if (hit === null) return null;
    this.#hits.set(request, hit);
    this.#counters.add({ faults: 1 });
    return hit.fault.onBody ?? null;
  }

  /** Its body never came whole, by a fault or by the client: it has no answer and no effect. */
  #abandoned(connection: Connection, request: Request, bodyBytes: number): void {
    const { entry } = this.#prepare(connection, request, NO_ANSWER, this.#nowMs);
    entry.requestBytes = bodyBytes;
    entry.endedMs = entry.atMs;
    this.#counters.add({ requests: 1, aborted: 1 });
  }

  /** Says whether the connection goes on. */
  async #answer(connection: Connection, request: Request): Promise<boolean> {
    const fault = this.#hits.get(request)?.fault ?? null;
    const nowMs = this.#nowMs;
    const broken = failure(500, 'InternalError', 'The origin failed; its stats say how.');
    const found = this.#attempt(request, () => this.#carryOut(request, nowMs, fault ?? NO_FAULT), broken);
    const { response, entry } = this.#prepare(connection, request, found, nowMs);
    this.#counters.add({ requests: 1, inFlight: 1 });
    const isHead = request.method === 'HEAD';
    const close =
      request.headers.get('connection')?.toLowerCase() === 'close' || fault?.onBody?.do === 'answer';
    const say = async (): Promise<Delivered> => {
      const said = fault === null ? response : disguise(response, fault);
      return deliver(connection, said, { isHead, close, fault });
    };
    const done = await say().catch((error: unknown) => {
      this.#tell(request, error);
      return NOT_DELIVERED;
    });
    this.#finish(entry, done);
    return done.keep;
  }

  /** What `act` returns, or `otherwise` where it throws: a defect of the origin, which is told. */
  #attempt<T, O>(request: Request, act: () => T, otherwise: O): T | O {
    try {
      return act();
    } catch (error) {
      this.#tell(request, error);
      return otherwise;
    }
  }

  /** The path alone: a query may hold a signature. */
  #tell(request: Request | null, error: unknown): false {
    const what = request === null ? 'no request' : `${request.method} ${request.rawPath}`;
    if (this.#defects.length < MAX_DEFECTS) this.#defects.push(`${what}: ${String(error)}`);
    return false;
  }

  /** The effect of a request, if it has one, and what is said about it. */
  #carryOut(request: Request, nowMs: number, fault: Fault): Response | Failure {
    if (this.#unlocated.has(request)) return failure(400, 'InvalidURI', "Couldn't parse the specified URI.");
    this.#change(request, fault);
    if (fault.status === undefined) return this.#dialect.serve(request, nowMs, fault);
    if (fault.applied === true) this.#dialect.serve(request, nowMs, fault);
    return scriptedFailure(fault, this.#dialect);
  }

  /** What a fault does to the service before the request is served. */
  #change(request: Request, { overwrite, expire }: Fault): void {
    const { bucket, key } = request;
    // What is not there is left alone.
    if (overwrite !== undefined)
      this.#common.buckets.get(bucket)?.bump(key, overwrite === true ? undefined : overwrite.size);
    const id = expire === true ? signerOf(request) : expire;
    // One that is not known has no end either.
    if (id !== undefined) this.#dialect.expire(id);
  }

  #prepare(
    connection: Connection,
    request: Request,
    found: Response | Failure,
    nowMs: number,
  ): { response: Response; entry: LoggedRequest } {
    const dialect = this.#dialect;
    const requestId = dialect.newRequestId(nowMs);
    const exchange = { requestId, nowMs, request };
    const plain = isFailure(found)
      ? dialect.failureResponse(found, exchange, request.method !== 'HEAD')
      : found;
    const response = { ...plain, headers: [...dialect.commonHeaders(exchange), ...plain.headers] };
    const entry = logEntry(request, response, dialect, {
      number: this.#counters.of('requests') + 1,
      requestId,
      rule: this.#hits.get(request)?.index ?? null,
      marks: this.#marks,
      connection: connection.id,
      ordinal: connection.taken,
    });
    this.#log.add(entry);
    return { response, entry };
  }

  #finish(entry: LoggedRequest, { bodyBytes, complete }: Delivered): void {
    entry.endedMs = performance.now();
    entry.bodyBytes = bodyBytes;
    entry.complete = complete;
    this.#byStatus[entry.status] = (this.#byStatus[entry.status] ?? 0) + 1;
    this.#counters.add({ bytesSent: bodyBytes, [complete ? 'answered' : 'aborted']: 1, inFlight: -1 });
  }

  async #refuse(connection: Connection, failed: Failure): Promise<void> {
    const nowMs = this.#nowMs;
    const exchange = { requestId: this.#dialect.newRequestId(nowMs), nowMs, request: null };
    const response = this.#dialect.failureResponse(failed, exchange, true);
    await deliver(connection, response, { isHead: false, close: true, fault: null });
  }

  /** Changes what is given, leaves the rest. */
  configure(patch: OriginPolicy): void {
    const common = this.#common;
    if (patch.publicBuckets !== undefined) common.publicBuckets = new Set(patch.publicBuckets);
    if (patch.forbidden !== undefined) common.forbidden = patch.forbidden.map(patternOf);
    if (patch.clockOffsetMs !== undefined) this.#clockOffsetMs = patch.clockOffsetMs;
    this.#dialect.configure(patch);
  }

  /** @param id of a key or token */
  expire(id: string): void {
    if (!this.#dialect.expire(id))
      throw new Error(`expire: no credential ${id} here; an account key has no end`);
  }

  script(rules: ReadonlyArray<Rule | ConnectionRule>): void {
    this.#script = createScript(rules, this.#dialect);
  }

  /** All keys of the bucket where none is named. */
  bump(bucket: string, key?: string, size?: number): void {
    const found = this.#common.buckets.get(bucket);
    if (found === undefined) throw new Error(`bump: no bucket ${bucket} here`);
    if (key === undefined && size !== undefined)
      throw new Error(`bump: a size of ${size} needs the key that it is for; without one, all keep theirs`);
    if (!found.bump(key, size)) throw new Error(`bump: no object ${key} in ${bucket}`);
  }

  /** Nothing that clients have sent by now comes behind the mark, though they may have given it up. */
  async mark(): Promise<number> {
    await this.#takeIn();
    this.#marks += 1;
    return this.#marks;
  }

  requests(): readonly LoggedRequest[] {
    return this.#log.lines;
  }

  stats(): OriginStats {
    return {
      ...this.#counters.all(),
      byStatus: { ...this.#byStatus },
      fired: this.#script.fired(),
      marks: this.#marks,
      defects: [...this.#defects],
      ...this.#dialect.counters?.(),
    };
  }

  /** Ends what stalls now; returns how many. */
  release(): number {
    const all = [...this.#stalled];
    for (const connection of all) connection.release();
    return all.length;
  }

  /** Ends connections on which nothing of a request has come that is not answered yet, with FIN or RST; returns how many. */
  closeIdle(withReset: boolean): number {
    const idle = [...this.#connections].filter((connection) => connection.idle);
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
  async reset(): Promise<void> {
    await this.#takeIn();
    this.#counters.restart();
    this.#byStatus = {};
    this.#defects = [];
    this.#log.clear();
    this.#marks = 0;
    this.#script = createScript([], this.#dialect);
    this.#dialect.forgetCounters?.();
    this.release();
  }

  #takeIn(): Promise<void> {
    const { port } = this.#server.address() as AddressInfo;
    return this.#fence.passed(port);
  }

  /** Resolves when every counter named has at least that value; a 0 means exactly 0. */
  waitFor(condition: Condition): Promise<void> {
    return this.#counters.waitFor(condition);
  }

  /** Ends every connection, then the listener. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const connection of this.#connections) connection.destroy();
    });
  }
}
