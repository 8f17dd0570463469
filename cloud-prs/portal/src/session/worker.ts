//! The worker of one session: what `messages.ts` says, around the endpoint in
//! WebAssembly. Started by `index.ts`.
export {};
