/**
 * Access tokens: those that tests configure, and those that are issued here, by the token endpoint for the key of a
 * service account or a refresh token, and by the metadata server of a virtual machine.
 *
 * What it keeps true:
 * 1. An assertion is verified as a token endpoint does: algorithm, signature, issuer, audience, and its times on the clock
 *    of the service.
 * 2. Each fetch is counted by its kind, a refused one by itself, and each issues another token.
 *
 * Sources: RFC 7523 and RFC 6749; "Using OAuth 2.0 for Server to Server Applications" of Google Identity; "About VM metadata"
 * of Compute Engine.
 */
import { verify } from 'node:crypto';
import type { OriginPolicy, OriginRefreshToken, OriginServiceAccount, OriginToken } from '../options.js';
import type { OriginStats } from '../records.js';
import type { Request } from '../request.js';
import { type Response, answer, bytesSource } from '../response.js';
import { type JsonRecord, parseRecord, textOf } from './documents.js';

type TokenCounts = NonNullable<OriginStats['tokens']>;
/** What a token is issued for. */
type Grant = Exclude<keyof TokenCounts, 'refused'>;

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const AUDIENCES = ['https://oauth2.googleapis.com/token', 'https://www.googleapis.com/oauth2/v4/token'];
const MAX_ASSERTION_LIFE_SECONDS = 3600;
const MAX_SKEW_SECONDS = 300;
const DEFAULT_LIFETIME_SECONDS = 3599;
const ACCOUNT = '/computeMetadata/v1/instance/service-accounts/default/';
const FLAVOR = ['Metadata-Flavor', 'Google'];

const freshCounts = (): TokenCounts => ({ jwt: 0, refresh: 0, metadata: 0, refused: 0 });

const json = (
  status: number,
  value: JsonRecord,
  error: string | null,
  headers: readonly string[] = [],
): Response => ({
  ...answer(
    status,
    ['Content-Type', 'application/json; charset=utf-8', ...headers],
    bytesSource(Buffer.from(JSON.stringify(value))),
  ),
  code: error,
});
const text = (status: number, body: string): Response => ({
  ...answer(status, ['Content-Type', 'text/html; charset=UTF-8', ...FLAVOR], bytesSource(Buffer.from(body))),
  code: status === 200 ? null : 'refused',
});

/** One part of a JWT. */
const decodePart = (part: string): JsonRecord | null =>
  parseRecord(Buffer.from(part, 'base64url').toString('utf8'));

export class Tokens {
  /** By themselves: those that were configured are replaced as a whole, those that were issued here stay good. */
  #given = new Map<string, OriginToken>();
  readonly #granted = new Map<string, OriginToken>();
  #accounts: readonly OriginServiceAccount[] = [];
  #grants: readonly OriginRefreshToken[] = [];
  #lifetimeSeconds = DEFAULT_LIFETIME_SECONDS;
  #hasMetadataServer = true;
  #issued = 0;
  #counts = freshCounts();

  configure(patch: OriginPolicy): void {
    if (patch.tokens !== undefined) this.#given = new Map(patch.tokens.map((one) => [one.token, one]));
    if (patch.serviceAccounts !== undefined) this.#accounts = patch.serviceAccounts;
    if (patch.refreshTokens !== undefined) this.#grants = patch.refreshTokens;
    if (patch.tokenLifetimeSeconds !== undefined) this.#lifetimeSeconds = patch.tokenLifetimeSeconds;
    if (patch.metadataServer !== undefined) this.#hasMetadataServer = patch.metadataServer;
  }

  /** Whether there was one. */
  expire(token: string): boolean {
    const own = this.#given.has(token) ? this.#given : this.#granted;
    const known = own.get(token);
    if (known !== undefined) own.set(token, { ...known, expired: true });
    return known !== undefined;
  }

  isGood(token: string, nowMs: number): boolean {
    const known = this.#given.get(token) ?? this.#granted.get(token);
    return known !== undefined && known.expired !== true && nowMs < (known.expiresAtMs ?? Infinity);
  }

  get counts(): TokenCounts {
    return { ...this.#counts };
  }

  forgetCounts(): void {
    this.#counts = freshCounts();
  }

  #issue(kind: Grant, nowMs: number, more: JsonRecord, headers?: readonly string[]): Response {
    this.#issued += 1;
    this.#counts[kind] += 1;
    const token = `ya29.issued-${kind}-${this.#issued}`;
    this.#granted.set(token, { token, expiresAtMs: nowMs + this.#lifetimeSeconds * 1000 });
    const value = { access_token: token, expires_in: this.#lifetimeSeconds, token_type: 'Bearer', ...more };
    return json(200, value, null, headers);
  }

  #refuse(status: number, error: string, description: string): Response {
    this.#counts.refused += 1;
    return json(status, { error, error_description: description }, error);
  }

  /** `POST /token`. */
  serveGrant(request: Request, nowMs: number, base: string): Response {
    if (request.method !== 'POST') return this.#refuse(404, 'not_found', 'The token endpoint is for POST.');
    const form = new URLSearchParams(request.body.toString('utf8'));
    const grant = form.get('grant_type');
    if (grant === JWT_BEARER) return this.#fromAssertion(form.get('assertion') ?? '', nowMs, base);
    if (grant === 'refresh_token') return this.#fromRefreshToken(form, nowMs);
    return this.#refuse(400, 'unsupported_grant_type', `Invalid grant_type: ${grant ?? ''}`);
  }

  #fromRefreshToken(form: URLSearchParams, nowMs: number): Response {
    const known = this.#grants.find(({ clientId }) => clientId === form.get('client_id'));
    if (known === undefined) return this.#refuse(401, 'invalid_client', 'The OAuth client was not found.');
    if (known.clientSecret !== form.get('client_secret'))
      return this.#refuse(401, 'invalid_client', 'Unauthorized');
    if (known.refreshToken !== form.get('refresh_token')) {
      return this.#refuse(400, 'invalid_grant', 'Token has been expired or revoked.');
    }
    return this.#issue('refresh', nowMs, { scope: 'https://www.googleapis.com/auth/cloud-platform' });
  }

  #fromAssertion(assertion: string, nowMs: number, base: string): Response {
    const wrong = this.#flawOf(assertion, nowMs / 1000, [`${base}/token`, ...AUDIENCES]);
    return wrong === null ? this.#issue('jwt', nowMs, {}) : this.#refuse(400, 'invalid_grant', wrong);
  }

  /** What is wrong with an assertion, or null. */
  #flawOf(assertion: string, nowSeconds: number, audiences: readonly string[]): string | null {
    const parts = assertion.split('.');
    const [first = '', second = '', third = ''] = parts;
    const header = decodePart(first);
    const claims = decodePart(second);
    if (parts.length !== 3 || header === null || claims === null) {
      return 'Invalid JWT: it is not three parts of base64url.';
    }
    if (header.alg !== 'RS256') return `Invalid JWT: the algorithm ${textOf(header.alg)} is not RS256.`;
    const account = this.#accounts.find(({ clientEmail }) => clientEmail === claims.iss);
    if (account === undefined) return 'Invalid grant: account not found';
    if (
      header.kid !== undefined &&
      account.privateKeyId !== undefined &&
      header.kid !== account.privateKeyId
    ) {
      return 'Invalid JWT Signature.';
    }
    const signature = Buffer.from(third, 'base64url');
    if (!verify('RSA-SHA256', Buffer.from(`${first}.${second}`), account.publicKey, signature)) {
      return 'Invalid JWT Signature.';
    }
    if (!audiences.some((one) => one === claims.aud)) {
      return `Invalid JWT: Failed audience check: ${textOf(claims.aud)}.`;
    }
    if (typeof claims.scope !== 'string' || claims.scope === '') return 'Invalid JWT: a scope is required.';
    const { iat, exp } = claims;
    const inTime =
      typeof iat === 'number' &&
      typeof exp === 'number' &&
      Number.isFinite(iat) &&
      Number.isFinite(exp) &&
      exp - iat <= MAX_ASSERTION_LIFE_SECONDS &&
      exp > nowSeconds &&
      iat <= nowSeconds + MAX_SKEW_SECONDS;
    return inTime
      ? null
      : 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.';
  }

  /** The metadata server. */
  serveMetadata({ headers, path }: Request, nowMs: number): Response {
    if (!this.#hasMetadataServer) return text(404, 'Not Found');
    if (headers.get('metadata-flavor') !== 'Google' || headers.has('x-forwarded-for')) {
      this.#counts.refused += 1;
      return text(403, 'Missing Metadata-Flavor:Google header.');
    }
    if (path === `${ACCOUNT}token`) return this.#issue('metadata', nowMs, {}, FLAVOR);
    const known = new Map([
      [`${ACCOUNT}email`, 'default@origin.iam.gserviceaccount.com'],
      ['/computeMetadata/v1/project/project-id', 'origin'],
      ['/computeMetadata/v1/universe/universe-domain', 'googleapis.com'],
      ['/computeMetadata/v1/instance', 'service-accounts/'],
    ]);
    const value = known.get(path);
    return value === undefined ? text(404, 'Not Found') : text(200, value);
  }
}
