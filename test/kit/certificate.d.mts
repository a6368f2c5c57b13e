/** PEM texts: an authority, and a certificate with its key for 127.0.0.1 and localhost. */
export function testCertificate(): { ca: string; cert: string; key: string };
