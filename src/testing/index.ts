/**
 * For tests, with any test runner: what every store does, as plain behaviours; a runtime in a deterministic simulation; and
 * scripted servers of S3, Azure Blob Storage and Google Cloud Storage. The package's entry `millrace/testing`.
 *
 * Every payload tells its object and its place in each byte; every target lies between guard bytes in shared memory.
 * The very same behaviours are claimed of millrace's own stores, against the servers of docs/backends.md.
 */
import { cancels } from './cancels.js';
import { copies } from './copies.js';
import { endsUploads } from './endings.js';
import { refusesKeys, takesOddKeys } from './keys.js';
import { lists, rollsUp } from './lists.js';
import { looksAtVersions, readsRanges, readsWhole } from './reads.js';
import type { StoreBehaviour, StoreTraits } from './traits.js';
import { uploadsParts } from './uploads.js';
import { deletes, keepsConditions, putsWhole, writesNothing } from './writes.js';

export { objectIdOf } from '../backends/memory/pattern.js';
export { customStore as asStore } from '../host/custom-store.js';
export { type Choice, Oracle, type OracleOptions, type Tape } from '../runtime/simulation/oracle.js';
export { storedObject, type SimObject } from '../runtime/simulation/objects.js';
export type { SimFault, SimOriginOptions } from '../runtime/simulation/origin.js';
export { createPolicy, POLICIES, type Policy, type PolicyName } from '../runtime/simulation/policies.js';
export type { Simulation, SimulationOptions } from '../runtime/simulation/simulation.js';
export { FAULTS, type FaultName, FaultSites, type SitesOptions } from '../runtime/simulation/sites.js';
export { DEFAULT_ACCOUNT, DEFAULT_CREDENTIALS } from './origin/defaults.js';
export type {
  DialectName,
  ExplicitEntry,
  GcsPolicy,
  GeneratedEntry,
  ObjectAttributes,
  OriginAccount,
  OriginCredentials,
  OriginOptions,
  OriginPolicy,
  OriginRefreshToken,
  OriginServiceAccount,
  OriginToken,
} from './origin/options.js';
export type { Condition, LoggedRequest, Operation, OriginStats } from './origin/records.js';
export type {
  ConnectionFault,
  ConnectionRule,
  Drip,
  Fault,
  Lie,
  Moments,
  OnBody,
  Place,
  Rule,
} from './origin/rules.js';
export { patternBytes, verifyPattern } from './pattern.js';
export { environmentOf, startOrigin, type Origin } from './start-origin.js';
export { SimulatedRuntime, type SimulatedRuntimeOptions } from './simulated-runtime.js';
export {
  type StoreBehaviour,
  StoreException,
  type StoreExceptions,
  type StoreFixture,
  type StoreTraits,
} from './traits.js';

/**
 * What is claimed of a store with these traits, in an order that reads well; any other order does as well.
 *
 * Behaviours share the fixture's store and put objects of some 200 MB into it, of which nothing is deleted: give them a
 * bucket or directory of their own. Each makes a few attempts and waits for no longer than the store does, so it is the
 * runner's time-out that ends one that hangs; the largest moves 64 MiB.
 */
export function storeBehaviours(traits: StoreTraits): StoreBehaviour[] {
  const { writes } = traits;
  const reading = [
    readsWhole,
    readsRanges,
    looksAtVersions,
    cancels,
    lists,
    rollsUp,
    takesOddKeys,
    refusesKeys,
  ];
  const behaviours = reading.flatMap((claims) => claims(traits));
  if (writes === null) return behaviours;
  return [
    ...behaviours,
    ...putsWhole(traits, writes),
    ...keepsConditions(traits),
    ...uploadsParts(traits),
    ...endsUploads(traits),
    ...copies(traits),
    ...deletes(traits, writes),
    ...writesNothing(traits),
  ];
}
