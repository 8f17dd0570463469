//! Short names for what the server's description calls otherwise.

export type { HostService as Service, Protocol } from './schema';
