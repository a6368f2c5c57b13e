/**
 * Pages of what is in progress: the parts of an upload, and the uploads of a bucket. S3 and the XML API of Cloud Storage
 * list both by the same rules.
 *
 * A page goes on behind its markers, so the service keeps nothing between pages.
 *
 * Sources: "ListParts" and "ListMultipartUploads" of the Amazon S3 API reference; "List Parts" and "List Multipart Uploads" of
 * the XML API reference of Cloud Storage.
 */
import { compareKeys, escapeXml } from '../encoding.js';
import type { Failure } from '../failure.js';
import { encodeListed } from './listing.js';

type Params = ReadonlyMap<string, string>;
/** How a dialect refuses a parameter. */
type Refuse = (message: string, name: string, value: string) => Failure;

const MAX_PAGE = 1000;

/** A page, and whether more comes behind it. */
interface Page<T> {
  readonly rows: readonly T[];
  readonly truncated: boolean;
}

/** A whole number of a query. */
function numberOf(params: Params, name: string, fallback: number, refuse: Refuse): number | Failure {
  const text = params.get(name) ?? String(fallback);
  if (/^\d+$/.test(text)) return Number(text);
  return refuse(`Provided ${name} not an integer or within integer range`, name, text);
}

function cut<T>(all: readonly T[], max: number): Page<T> {
  const rows = all.slice(0, max);
  // One of none would go on for ever.
  return { rows, truncated: max > 0 && rows.length < all.length };
}

/** Elements of a document of parts, in the order of their numbers. @param row one part's elements */
export function partsPage<T>(
  parts: ReadonlyMap<number, T>,
  params: Params,
  refuse: Refuse,
  row: (part: T) => string,
): string | Failure {
  const after = numberOf(params, 'part-number-marker', 0, refuse);
  const asked = numberOf(params, 'max-parts', MAX_PAGE, refuse);
  if (typeof after === 'object') return after;
  if (typeof asked === 'object') return asked;
  const max = Math.min(asked, MAX_PAGE);
  const all = [...parts].sort(([a], [b]) => a - b).filter(([number]) => number > after);
  const { rows, truncated } = cut(all, max);
  const elements = rows.map(
    ([number, part]) => `<Part><PartNumber>${number}</PartNumber>${row(part)}</Part>`,
  );
  return (
    `<PartNumberMarker>${after}</PartNumberMarker>` +
    `<NextPartNumberMarker>${rows.at(-1)?.[0] ?? 0}</NextPartNumberMarker>` +
    `<MaxParts>${max}</MaxParts><IsTruncated>${truncated}</IsTruncated>${elements.join('')}`
  );
}

/** What a page of uploads looks at. */
interface Listed {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
}

/** Elements of a document of uploads, by their keys and then their ids. @param row what stands behind key and id */
export function uploadsPage<T extends Listed>(
  uploads: Iterable<T>,
  bucket: string,
  params: Params,
  refuse: Refuse,
  row: (upload: T) => string,
): string | Failure {
  const asked = numberOf(params, 'max-uploads', MAX_PAGE, refuse);
  if (typeof asked === 'object') return asked;
  const max = Math.min(asked, MAX_PAGE);
  const prefix = params.get('prefix') ?? '';
  const keyMarker = params.get('key-marker') ?? '';
  // It says nothing without a key.
  const idMarker = keyMarker === '' ? '' : (params.get('upload-id-marker') ?? '');
  const byId = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  const isBehind = ({ key, id }: T): boolean => {
    const order = compareKeys(key, keyMarker);
    return order > 0 || (order === 0 && idMarker !== '' && byId(id, idMarker) > 0);
  };
  const all = [...uploads]
    .filter((one) => one.bucket === bucket && one.key.startsWith(prefix))
    .filter((one) => keyMarker === '' || isBehind(one))
    .sort((a, b) => compareKeys(a.key, b.key) || byId(a.id, b.id));
  const { rows, truncated } = cut(all, max);
  const urlEncoded = params.get('encoding-type') === 'url';
  const name = urlEncoded ? encodeListed : escapeXml;
  const last = truncated ? rows.at(-1) : undefined;
  const next =
    last === undefined
      ? ''
      : `<NextKeyMarker>${name(last.key)}</NextKeyMarker><NextUploadIdMarker>${last.id}</NextUploadIdMarker>`;
  const elements = rows.map(
    (one) => `<Upload><Key>${name(one.key)}</Key><UploadId>${one.id}</UploadId>${row(one)}</Upload>`,
  );
  return (
    `<KeyMarker>${name(keyMarker)}</KeyMarker><UploadIdMarker>${escapeXml(idMarker)}</UploadIdMarker>${next}` +
    `<Prefix>${name(prefix)}</Prefix>${urlEncoded ? '<EncodingType>url</EncodingType>' : ''}` +
    `<MaxUploads>${max}</MaxUploads><IsTruncated>${truncated}</IsTruncated>${elements.join('')}`
  );
}
