/**
 * Loaded into every thread before anything else: an open of a path that ends with `blocked` waits for ever in the kernel,
 * as on a network filesystem that is gone. The FIFO that FIFO_PATH names has no writer.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const open = fs.openSync;
fs.openSync = (path, ...rest) => {
  if (!path.toString().endsWith('/blocked')) return open(path, ...rest);
  process.stderr.write('blocking\n');
  return open(process.env['FIFO_PATH'] ?? '', 'r');
};
syncBuiltinESMExports();
