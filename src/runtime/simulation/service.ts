/**
 * What a simulated service does with a write that has arrived.
 *
 * Invariants:
 * 1. A write is carried out as a whole or not at all, in one step.
 * 2. Conditions are looked at in the moment in which the object is replaced: of an upload, when it is completed.
 * 3. Like S3, it believes what `complete` says: the object is made of the parts that are named there, few or many.
 */
import { ErrorCode } from '../../protocol/errors.js';
import { Outcome, type Answer } from '../../protocol/store.js';
import {
  unsupportedWrite,
  written,
  type CompleteRequest,
  type CopyRequest,
  type PartRequest,
  type WriteCondition,
  type WriteRequest,
  type WriteResult,
} from '../../protocol/writes.js';
import { spoiled } from './faults.js';
import { bytesOfObject, CHECKSUM, storedObject, type SimPart } from './objects.js';
import { digestOf } from '../../protocol/checksums/digest.js';
import { toBase64 } from '../../protocol/checksums/values.js';
import type { SimOrigin } from './origin.js';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The key that a write is about; that of the first object for a `delete`. */
export function keyOfWrite(request: WriteRequest): string {
  if (request.kind === 'uploads') return decoder.decode(request.prefix);
  if (request.kind === 'delete') return decoder.decode(request.keys[0] ?? new Uint8Array());
  return decoder.decode(request.key);
}

/** `body` is a copy of the request's own, as it came over the wire. */
export function carryOut(origin: SimOrigin, request: WriteRequest, body: Uint8Array): Answer<WriteResult> {
  const key = keyOfWrite(request);
  switch (request.kind) {
    case 'put':
      return conditionFault(origin, key, request) ?? replace(origin, key, body);
    case 'begin': {
      origin.begun += 1;
      const id = `u${origin.begun}`;
      origin.uploads.set(id, { id, key, parts: new Map() });
      return written({ upload: id, partsInFlight: origin.partsInFlight });
    }
    case 'part':
      return takePart(origin, key, request, body);
    case 'complete':
      return complete(origin, key, request);
    case 'abort':
      origin.uploads.delete(request.upload);
      return written();
    case 'copy':
      return copy(origin, key, request);
    case 'delete':
      return remove(origin, request.keys, request.ifVersion);
    case 'uploads': {
      const found = [...origin.uploads.values()].filter((upload) => upload.key.startsWith(key));
      const uploads = found.map(({ id, key: name }) => ({
        key: encoder.encode(name),
        upload: id,
        startedMs: null,
      }));
      return written({ uploads });
    }
  }
}

function conditionFault(
  origin: SimOrigin,
  key: string,
  { ifAbsent, ifVersion }: WriteCondition,
): Answer<WriteResult> | null {
  const object = origin.objects.get(key);
  if (ifAbsent && object !== undefined) return spoiled(Outcome.Refused, key, ErrorCode.AlreadyExists);
  if (ifVersion === null || object?.version === ifVersion) return null;
  return spoiled(Outcome.VersionChanged, key, ErrorCode.VersionChanged);
}

function replace(origin: SimOrigin, key: string, bytes: Uint8Array): Answer<WriteResult> {
  const version = `w${origin.written.length + 1}`;
  const object = storedObject(bytes, version);
  origin.objects.set(key, object);
  origin.written.push({ key, object });
  return written({ version });
}

function takePart(
  origin: SimOrigin,
  key: string,
  { upload: id, index }: PartRequest,
  bytes: Uint8Array,
): Answer<WriteResult> {
  const upload = origin.uploads.get(id);
  if (upload === undefined) return spoiled(Outcome.Refused, key, ErrorCode.NotFound);
  if (origin.partsInFlight === 1 && index > upload.parts.size)
    return spoiled(Outcome.Refused, key, ErrorCode.InvalidArgument);
  const token = `${index}:${toBase64(digestOf(CHECKSUM, bytes))}`;
  upload.parts.set(index, { token, bytes });
  return written({ part: token });
}

function complete(origin: SimOrigin, key: string, request: CompleteRequest): Answer<WriteResult> {
  const upload = origin.uploads.get(request.upload);
  if (upload === undefined) return spoiled(Outcome.Refused, key, ErrorCode.NotFound);
  const parts: SimPart[] = [];
  for (const [index, token] of request.parts.entries()) {
    const part = upload.parts.get(index);
    if (part?.token !== token) return spoiled(Outcome.Refused, key, ErrorCode.InvalidArgument);
    parts.push(part);
  }
  const broken = conditionFault(origin, key, request);
  if (broken !== null) return broken;
  origin.uploads.delete(request.upload);
  return replace(origin, key, new Uint8Array(Buffer.concat(parts.map(({ bytes }) => bytes))));
}

function copy(origin: SimOrigin, key: string, request: CopyRequest): Answer<WriteResult> {
  if (!origin.copies) return unsupportedWrite(`sim://${key}: this simulated service does not copy`);
  const sourceKey = decoder.decode(request.sourceKey);
  const source = origin.objects.get(sourceKey);
  if (source === undefined) return spoiled(Outcome.Refused, sourceKey, ErrorCode.NotFound);
  if (request.sourceVersion !== null && request.sourceVersion !== source.version)
    return spoiled(Outcome.VersionChanged, sourceKey, ErrorCode.VersionChanged);
  return conditionFault(origin, key, request) ?? replace(origin, key, bytesOfObject(source));
}

function remove(
  origin: SimOrigin,
  keys: readonly Uint8Array[],
  ifVersion: string | null,
): Answer<WriteResult> {
  for (const each of keys) {
    const key = decoder.decode(each);
    const broken = conditionFault(origin, key, { ifAbsent: false, ifVersion });
    if (broken !== null && origin.objects.has(key)) return broken;
    origin.objects.delete(key);
  }
  return written();
}
