/** Keys: who may open a session, and how each end proves what it is. docs/SECURITY.md says what that is worth. */
export * from './access.ts';
export { Generation } from './derive.ts';
export { hideKey, type Insecure, insecureOfEnvironment, parseInsecure } from './environment.ts';
export { signAsQueen, verifyQueen, welcomeBytes } from './identity.ts';
export * from './issued.ts';
export * from './key-line.ts';
export { Keyring } from './keyring.ts';
export * from './line.ts';
export { PeerKey } from './peer-key.ts';
export {
  ensureSecret,
  newSecret,
  readSecret,
  retireSecret,
  rotateSecret,
  type Secret,
  secretPath,
} from './secret.ts';
export { EXPORTER_BYTES, exportKeys, secureAsPeer, secureAsQueen } from './tls.ts';
