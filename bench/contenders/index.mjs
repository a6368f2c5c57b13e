/**
 * The contenders, in the order of their turns.
 *
 * Each has a `name`, whether its requests are `signed`, which `works` it can do, and one of two ways to run:
 * `open(job, pieces)` in a Node.js process of lib/child.mjs, or `command(job)`, a program that does what child.mjs does.
 * `unable(work)`, where there is one, says why it cannot do a work that belongs to it, or null. `missing(folder)` makes
 * it ready in the folder of the run and says why it cannot run at all, or null.
 */
import { awsSdk, awsSdkStream } from './aws-sdk.mjs';
import { azureSdk, azureSdkStream } from './azure-sdk.mjs';
import { awsSdkPiscina } from './aws-sdk-piscina.mjs';
import { preadSync, preadWindow, readFile } from './files.mjs';
import { fio } from './fio.mjs';
import { gcsSdk, gcsSdkChunks, gcsSdkStream } from './gcs-sdk.mjs';
import { globalFetch, nodeHttp, undici } from './http-clients.mjs';
import { limit } from './limit/limit.mjs';
import { millrace, millraceGet, millraceUnverified } from './millrace.mjs';
import { opendal } from './opendal.mjs';

export const CONTENDERS = [
  millrace,
  millraceGet,
  millraceUnverified,
  awsSdk,
  awsSdkStream,
  awsSdkPiscina,
  azureSdk,
  azureSdkStream,
  gcsSdk,
  gcsSdkStream,
  gcsSdkChunks,
  undici,
  globalFetch,
  nodeHttp,
  readFile,
  preadSync,
  preadWindow,
  fio,
  opendal,
  limit,
];

/** What the others are compared with; it takes part in every run. */
export const BASE = millrace.name;
