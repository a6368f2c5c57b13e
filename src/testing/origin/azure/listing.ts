/**
 * List Blobs over a container of the catalogue. Source: the List Blobs page of Microsoft's REST reference.
 *
 * A marker holds the key where the next page begins, so the service keeps nothing between pages. The snapshots of a
 * blob come on one page with it, whatever maxresults says.
 */
import { modifiedMs, type Bucket, type Stored } from '../catalogue.js';
import { compareKeys, encodePath, escapeXml } from '../encoding.js';
import { isFailure, type Failure } from '../failure.js';
import { mergedWalk, servedPage, walkOf, type Walk } from '../pages.js';
import type { Request } from '../request.js';
import type { Lie } from '../rules.js';
import { etagOf, md5Of, versionIdOf } from './blobs.js';
import { azureFailure, invalidQuery } from './failure.js';
import type { Snapshot } from './service.js';

const MAX_RESULTS = 5000;
const ENCODED_SINCE = '2021-02-12';
/** What no XML document may hold, not even as a reference. */
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u;
const INCLUDES = new Set(
  'snapshots metadata uncommittedblobs copy deleted tags versions deletedwithversions immutabilitypolicy legalhold permissions'.split(
    ' ',
  ),
);

const encodeMarker = (key: string): string => {
  const text = Buffer.from(key, 'utf8').toString('base64').replaceAll('=', '-');
  return `2!${text.length}!${text}`;
};

function decodeMarker(marker: string): string | null {
  const [, length, text] = /^2!(\d+)!([A-Za-z0-9+/]+-*)$/.exec(marker) ?? [];
  if (text === undefined || Number(length) !== text.length) return null;
  return Buffer.from(text.replaceAll('-', '='), 'base64').toString('utf8');
}

interface Page {
  readonly prefix: string;
  readonly delimiter: string;
  readonly max: number;
  readonly maxText: string | undefined;
  readonly marker: string;
  /** The key where it begins. */
  readonly from: string;
  readonly includes: ReadonlySet<string>;
}

function parsePage(params: ReadonlyMap<string, string>): Page | Failure {
  const maxText = params.get('maxresults');
  if (maxText !== undefined && !/^-?\d+$/.test(maxText)) return invalidQuery('maxresults', maxText);
  const max = maxText === undefined ? MAX_RESULTS : Number(maxText);
  if (maxText !== undefined && max <= 0) {
    return azureFailure('OutOfRangeQueryParameterValue', {
      QueryParameterName: 'maxresults',
      QueryParameterValue: maxText,
      MinimumAllowed: '1',
      MaximumAllowed: String(MAX_RESULTS),
    });
  }
  const includes = (params.get('include') ?? '').split(',').filter((one) => one !== '');
  const unknown = includes.find((one) => !INCLUDES.has(one));
  if (unknown !== undefined) return invalidQuery('include', unknown);
  const marker = params.get('marker') ?? '';
  const from = marker === '' ? '' : decodeMarker(marker);
  if (from === null) return invalidQuery('marker', marker);
  const prefix = params.get('prefix') ?? '';
  return {
    prefix,
    delimiter: params.get('delimiter') ?? '',
    max: Math.min(max, MAX_RESULTS),
    maxText,
    marker,
    from: compareKeys(from, prefix) < 0 ? prefix : from,
    includes: new Set(includes),
  };
}

/** A name, percent-encoded and marked as such where XML has no way to spell it. */
function nameElement(name: string, version: string): string {
  if (version >= ENCODED_SINCE && NOT_XML.test(name))
    return `<Name Encoded="true">${encodePath(name)}</Name>`;
  return `<Name>${escapeXml(name)}</Name>`;
}

const element = (name: string, text: string | null): string =>
  text === null || text === '' ? `<${name} />` : `<${name}>${escapeXml(text)}</${name}>`;

interface Shown {
  readonly version: string;
  readonly includes: ReadonlySet<string>;
  readonly snapshot: string | undefined;
  readonly versionId: string | null;
}

function blobElement(blob: Stored, { version, includes, snapshot, versionId }: Shown): string {
  const modified = new Date(modifiedMs(blob.generation)).toUTCString();
  const { contentType = 'application/octet-stream', metadata = {} } = blob.attributes;
  return [
    '<Blob>',
    nameElement(blob.key, version),
    snapshot === undefined ? '' : element('Snapshot', snapshot),
    versionId === null ? '' : `${element('VersionId', versionId)}<IsCurrentVersion>true</IsCurrentVersion>`,
    `<Properties><Creation-Time>${modified}</Creation-Time><Last-Modified>${modified}</Last-Modified>`,
    `<Etag>${etagOf(blob).slice(1, -1)}</Etag><Content-Length>${blob.size}</Content-Length>`,
    element('Content-Type', contentType),
    '<Content-Encoding /><Content-Language /><Content-CRC64 />',
    element('Content-MD5', md5Of(blob)),
    '<Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>',
    '<AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus>',
    '<LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties>',
    includes.has('metadata')
      ? `<Metadata>${Object.entries(metadata)
          .map(([name, value]) => element(name, value))
          .join('')}</Metadata>`
      : '',
    '<OrMetadata /></Blob>',
  ].join('');
}

const uncommittedElement = (key: string, version: string): string =>
  `<Blob>${nameElement(key, version)}<Properties><Content-Length>0</Content-Length>` +
  '<BlobType>BlockBlob</BlobType></Properties><OrMetadata /></Blob>';

interface Listed {
  readonly endpoint: string;
  readonly versioning: boolean;
  /** Keys of the container that have blocks and no blob. */
  readonly uncommitted: string[];
  readonly snapshotsOf: (key: string) => Snapshot[];
  readonly lie: Lie | undefined;
}

/** Returns the document. */
export function listBlobs(
  request: Request,
  bucket: Bucket,
  { endpoint, versioning, uncommitted, snapshotsOf, lie }: Listed,
): Buffer | Failure {
  const page = parsePage(request.params);
  if (isFailure(page)) return page;
  const version = request.headers.get('x-ms-version') ?? request.params.get('sv') ?? '';
  const { includes } = page;
  const walkFrom = (from: string): Walk => {
    const walk = bucket.seek(from);
    return includes.has('uncommittedblobs') ? mergedWalk(walk, walkOf(uncommitted, from)) : walk;
  };
  const { entries, next } = servedPage(walkFrom, page, lie);
  const xml = [
    '\uFEFF<?xml version="1.0" encoding="utf-8"?>',
    `<EnumerationResults ServiceEndpoint="${escapeXml(endpoint)}" ContainerName="${bucket.name}">`,
    page.prefix === '' ? '' : element('Prefix', page.prefix),
    page.marker === '' ? '' : element('Marker', page.marker),
    page.maxText === undefined ? '' : element('MaxResults', page.maxText),
    page.delimiter === '' ? '' : element('Delimiter', page.delimiter),
    '<Blobs>',
  ];
  for (const { name, rolled } of entries) {
    const blob = rolled ? null : bucket.find(name);
    if (rolled) xml.push(`<BlobPrefix>${nameElement(name, version)}</BlobPrefix>`);
    else if (blob === null) xml.push(uncommittedElement(name, version));
    else {
      const older = includes.has('snapshots') ? snapshotsOf(name) : [];
      for (const { snapshot, blob: then } of older)
        xml.push(blobElement(then, { version, includes, snapshot, versionId: null }));
      const versionId = versioning ? versionIdOf(blob) : null;
      xml.push(blobElement(blob, { version, includes, snapshot: undefined, versionId }));
    }
  }
  xml.push('</Blobs>', element('NextMarker', next === null ? null : encodeMarker(next)));
  xml.push('</EnumerationResults>');
  return Buffer.from(xml.join(''));
}
