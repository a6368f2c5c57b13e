/** What is fuzzed by structured values; the answers of HTTP servers have a way of their own, in ../http. */
import { config } from './config.mjs';
import { listings } from './listings.mjs';
import { options } from './options.mjs';
import { uris } from './uris.mjs';
import { wire } from './wire.mjs';

/** @type {Readonly<Record<string, readonly import('../lib/claims.mjs').Claim<any>[]>>} */
export const CLAIMS = { uris, listings, options, wire, config };
