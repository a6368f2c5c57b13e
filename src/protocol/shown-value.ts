/**
 * How a value that was given is shown in a message.
 *
 * Invariants:
 * 1. Any value can be shown, whatever its own conversions do: none of its code runs.
 * 2. Objects and functions are named by kind alone: they could hold what is secret. Of a URI `shownUri` decides.
 */
import { shownUri } from './shown-uri.js';

/** Long enough for any sensible value, short enough for a message. */
const MAX_SHOWN_CHARS = 60;

export function shownValue(given: unknown): string {
  let text: string;
  if (typeof given === 'string') text = JSON.stringify(shownUri(given));
  else if (typeof given === 'function') text = 'a function';
  else if (Array.isArray(given)) text = 'an array';
  else if (typeof given === 'object' && given !== null) text = 'an object';
  else text = String(given);
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}...` : text;
}
