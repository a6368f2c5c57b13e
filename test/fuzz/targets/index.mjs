/** What is fuzzed by structured values; the answers of HTTP servers have a way of their own, in ../http. */
import { listings } from './listings.mjs';
import { uris } from './uris.mjs';

/** @type {Readonly<Record<string, readonly import('../lib/claims.mjs').Claim<any>[]>>} */
export const CLAIMS = { uris, listings };
