/** Just enough Markdown to look at our own pages: code blocks, tables, headings, links. */
import { readdirSync, readFileSync } from 'node:fs';

export const ROOT = new URL('../../', import.meta.url);
export const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

/** Every page of the project, by its path. */
export function pages(): string[] {
  const inRoot = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  const inDocs = readdirSync(new URL('docs/', ROOT)).map((name) => `docs/${name}`);
  return [...inRoot, ...inDocs.filter((name) => name.endsWith('.md'))];
}

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of its first line in the page, from 1. */
  readonly line: number;
}

/** Fenced code blocks. */
export function blocks(page: string): Block[] {
  const found: Block[] = [];
  let open: { language: string; lines: string[]; line: number } | null = null;
  for (const [at, line] of read(page).split('\n').entries()) {
    const fence = /^\s*```(\w*)/.exec(line);
    if (fence === null) open?.lines.push(line);
    else if (open === null) open = { language: fence[1] ?? '', lines: [], line: at + 2 };
    else {
      found.push({ language: open.language, text: open.lines.join('\n'), line: open.line });
      open = null;
    }
  }
  if (open !== null) throw new Error(`${page}:${open.line}: a code block without an end`);
  return found;
}

/** The page without its code blocks. */
export function prose(page: string): string {
  return read(page).replaceAll(/^\s*```[^]*?^\s*```/gm, '');
}

/** Rows of the first table under a heading, without its head; cells as they stand. */
export function tableUnder(page: string, heading: string): string[][] {
  const sections = prose(page).split(/^(?=#{1,4} )/m);
  const section = sections.find((text) => text.split('\n', 1)[0]!.replace(/^#+ /, '') === heading);
  if (section === undefined) throw new Error(`${page} has no heading ${JSON.stringify(heading)}`);
  const lines = section.split('\n');
  const first = lines.findIndex((line) => /^\|[-| ]+\|$/.test(line));
  if (first < 0) throw new Error(`${page}: no table under ${JSON.stringify(heading)}`);
  const end = lines.findIndex((line, at) => at > first && !line.startsWith('|'));
  const rows = lines.slice(first + 1, end < 0 ? undefined : end);
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

/** Names in backticks, in their order. */
export function names(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}

/** The anchors of a page, as GitHub makes them. */
export function anchors(page: string): Set<string> {
  const headings = [...prose(page).matchAll(/^#{1,6} (.*)$/gm)].map(([, text]) => text!);
  const slug = (text: string): string =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-');
  return new Set(headings.map(slug));
}

export interface Link {
  /** Path from the root of the project; the page itself where the link has none. */
  readonly path: string;
  readonly anchor: string | null;
  readonly text: string;
}

/** Links to places within the project. */
export function links(page: string): Link[] {
  return [...prose(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, target]) => {
    const [path = '', anchor = null] = target!.split('#', 2);
    const full = path === '' ? page : new URL(path, new URL(page, 'file:///')).pathname.slice(1);
    return { path: full, anchor, text: target! };
  });
}
