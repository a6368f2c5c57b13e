/**
 * Google Cloud Storage as a dialect of the origin: the JSON API and the XML API over the same objects, and on the same port
 * the token endpoint and the metadata server that issue the tokens.
 */
import type { Bent, Common, Dialect } from '../dialect.js';
import type { Failure } from '../failure.js';
import type { OriginPolicy } from '../options.js';
import type { Request } from '../request.js';
import type { Response } from '../response.js';
import { authorize, checkPayer, isAnonymous } from './auth.js';
import { type FailureForm, failureResponse, kindOfStatus } from './failures.js';
import { serveJson } from './json.js';
import { Archive } from './objects.js';
import { type Place, type RoutedRequest, operationOf, routeOf } from './route.js';
import type { Service } from './store.js';
import { Tokens } from './tokens.js';
import { nameInBody } from './uploads.js';
import { serveXml } from './xml.js';

const MIN_PART_BYTES = 5 * 1024 * 1024;

/** Ids in the shape that the service gives uploads and requests. */
function idMint(prefix: string): () => string {
  let minted = 0;
  return () => {
    minted += 1;
    return prefix + Buffer.from(`origin ${minted}`.padEnd(24, '~')).toString('base64url');
  };
}

function createService(common: Common): Service {
  return {
    buckets: common.buckets,
    secure: common.secure,
    // The origin replaces these two when it is configured.
    get publicBuckets() {
      return common.publicBuckets;
    },
    get forbidden() {
      return common.forbidden;
    },
    credentials: new Map(),
    tokens: new Tokens(),
    archive: new Archive(),
    sessions: new Map(),
    uploads: new Map(),
    requesterPays: new Set(),
    versioned: new Set(),
    generationOffset: 0n,
    minPartBytes: MIN_PART_BYTES,
    nextId: idMint('ABPtcP'),
  };
}

function configure(service: Service, patch: OriginPolicy): void {
  if (patch.credentials !== undefined)
    service.credentials = new Map(patch.credentials.map((one) => [one.accessKeyId, one]));
  if (patch.requesterPays !== undefined) service.requesterPays = new Set(patch.requesterPays);
  if (patch.versionedBuckets !== undefined) service.versioned = new Set(patch.versionedBuckets);
  if (patch.generationOffset !== undefined) service.generationOffset = BigInt(patch.generationOffset);
  if (patch.minPartBytes !== undefined) service.minPartBytes = patch.minPartBytes;
  service.tokens.configure(patch);
}

/** @param id of an HMAC key or a token */
function expire(service: Service, id: string): boolean {
  const known = service.credentials.get(id);
  if (known === undefined) return service.tokens.expire(id);
  service.credentials.set(id, { ...known, expired: true });
  return true;
}

const routed = new WeakMap<Request, RoutedRequest>();

/** Where a request leads is found once, and kept on it: what comes to it later, its body above all, is seen here too. */
function withRoute(request: Request): RoutedRequest {
  const known = routed.get(request);
  if (known !== undefined) return known;
  const found = Object.assign(request, { route: routeOf(request) });
  routed.set(request, found);
  return found;
}

/** A session is found by its id: its URI says the name, but need not be believed. */
function locate(service: Service, { route, params }: RoutedRequest): Place {
  const session = route.what === 'session' ? service.sessions.get(params.get('upload_id') ?? '') : undefined;
  return { bucket: route.bucket, key: session?.key ?? route.key };
}

function serve(
  service: Service,
  request: RoutedRequest,
  nowMs: number,
  base: string,
  bent: Bent,
): Response | Failure {
  const { route } = request;
  if (route.api === 'token') return service.tokens.serveGrant(request, nowMs, base);
  if (route.api === 'metadata') return service.tokens.serveMetadata(request, nowMs);
  if (route.what === 'upload' && request.key === '') request.key = nameInBody(request);
  const refused = authorize(request, service, nowMs) ?? checkPayer(request, service);
  if (refused !== null) return refused;
  return route.api === 'json' ? serveJson(request, service, base, bent) : serveXml(request, service, bent);
}

/** Which form an error takes: the media server and a session say some of theirs in plain text. */
function formOf(failed: Failure, request: Request | null): FailureForm {
  const route = request === null ? undefined : withRoute(request).route;
  if (failed.extra.form === 'text') return 'text';
  if (route?.api === 'xml') return 'xml';
  return route?.media === true ? 'media' : 'json';
}

export function createGcs(common: Common): Dialect {
  const service = createService(common);
  const scheme = common.secure ? 'https' : 'http';
  const newRequestId = idMint('AAO2Vw');
  return {
    locate: (request) => locate(service, withRoute(request)),
    operationOf: (request) => operationOf(withRoute(request)),
    rangeOf: (request) => request.headers.get('range') ?? null,
    isAnonymous,
    serve: (request, nowMs, bent) =>
      serve(service, withRoute(request), nowMs, `${scheme}://${request.headers.get('host')}`, bent),
    newRequestId,
    commonHeaders: ({ requestId, nowMs, request }) => {
      const date = ['Date', new Date(nowMs).toUTCString()];
      const isMetadata = request !== null && withRoute(request).route.api === 'metadata';
      if (isMetadata) return [...date, 'Server', 'Metadata Server for VM'];
      return ['X-GUploader-UploadID', requestId, ...date, 'Server', 'UploadServer'];
    },
    failureResponse: (failed, { request }, withBody) =>
      failureResponse(failed, formOf(failed, request), withBody),
    codeOf: kindOfStatus,
    configure: (patch) => configure(service, patch),
    expire: (id) => expire(service, id),
    counters: () => ({ tokens: service.tokens.counts }),
    forgetCounters: () => service.tokens.forgetCounts(),
  };
}
