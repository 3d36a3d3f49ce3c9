/** The Hive over HTTP: `startGateway`, and the seam by which a node of a mesh has a part in it. */
export { KeySession } from './access/sessions.ts';
export {
  DEFAULT_API_HOST,
  DEFAULT_API_PORT,
  DEFAULT_REQUESTS_PER_SECOND,
  type Gateway,
  type GatewayOptions,
  startGateway,
} from './gateway.ts';
export type { Mesh } from './mesh.ts';
export { type PeerBody, peerOf, peerOfNode } from './peers.ts';
