/**
 * JSON that a client sent: what it is has to be seen before it is used.
 */

export type JsonRecord = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is JsonRecord => typeof value === 'object' && value !== null;

/** A number, say, where text is expected. */
export const textOf = (value: unknown): string => String(value);

/** Null when it is no JSON, or neither an object nor an array. */
export function parseRecord(text: string): JsonRecord | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}
