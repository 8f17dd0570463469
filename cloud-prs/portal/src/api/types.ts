//! The shapes that pages and stores share.

export type Protocol = 'tcp' | 'ssh' | 'vnc' | 'rdp' | 'telnet' | 'http' | 'https';
export interface Service { protocol: Protocol; port: number }
export interface Named { id: string; name: string }

/** `GET /tree`: everything the asker may reach. */
export interface Tree { customers: TreeCustomer[] }
export interface TreeCustomer { id: string; name: string; colour?: string | number | null; sites: TreeSite[] }
export interface TreeSite { id: string; name: string; gateway: TreeGateway | null; hosts: TreeHost[] }
export interface TreeGateway { id: string; state: string; online: boolean; last_seen?: number | null; version?: string; verdict?: Verdict | string | null }
export interface Verdict { code: string; text: string }
export interface TreeHost { id: string; name: string; address: string; services: Service[]; any_port?: boolean; tags?: string[]; favourite?: boolean }
