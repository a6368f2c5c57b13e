/** Absolute path of something in `test/servers`. */
export function inServerPackage(path: string): string;
/** Why the server of this package cannot be started, or null when it can. */
export function packageAvailable(name: string): string | null;
