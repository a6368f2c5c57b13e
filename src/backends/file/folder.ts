/**
 * The directory that an object is written into, made where it is missing.
 *
 * Invariant: below a confined root nothing is made outside of it: each directory is opened and looked at, as reads do,
 * before the next one is made in it. The root itself is not made.
 */
import { mkdirSync } from 'node:fs';
import { systemCode } from '../../protocol/errors.js';
import { type Entered, latin1Buffer, type Root } from './root.js';

/** @param directory empty or with a slash at its end, as a latin1 string of bytes below the root */
export function enterMade(root: Root, directory: string): Entered {
  const path = latin1Buffer(root.path + directory);
  try {
    return root.enter(path);
  } catch (thrown) {
    if (directory === '' || systemCode(thrown) !== 'ENOENT') throw thrown;
  }
  const slash = directory.lastIndexOf('/', directory.length - 2) + 1;
  const parent = enterMade(root, directory.slice(0, slash));
  try {
    mkdirSync(parent.at(directory.slice(slash, -1)));
  } catch (thrown) {
    // Somebody else made it, or something that is no directory: the next line tells.
    if (systemCode(thrown) !== 'EEXIST') throw thrown;
  } finally {
    parent.close();
  }
  return root.enter(path);
}
