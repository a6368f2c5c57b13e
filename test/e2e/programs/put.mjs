/** A program that puts one object in parts and prints when it has succeeded: made to be killed before. */
import { Runtime } from '../../../dist/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';

const { s3, uri, name, size, options } = JSON.parse(process.argv[2] ?? '{}');
const runtime = await Runtime.start({ workers: 2, memoryBudget: '64MiB', stores: { s3 } });
const { version } = await runtime.put(uri, patternBytes(objectIdOf(name), size), options);
console.log(`put ${version}`);
await runtime.close();
