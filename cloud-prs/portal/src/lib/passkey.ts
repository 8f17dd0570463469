//! Passkeys: the browser's WebAuthn call between the server's two answers. JSON
//! on the wire is the standard's own (Level 3): bytes as base64url.

import { post } from '../api/call';

export const passkeys = typeof window !== 'undefined' && 'PublicKeyCredential' in window && window.isSecureContext;

const bytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
export const base64url = (buffer: ArrayBuffer | Uint8Array): string =>
  btoa(Array.from(new Uint8Array(buffer as ArrayBuffer), (b) => String.fromCharCode(b)).join('')).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

type Json = Record<string, unknown>;
const inner = (options: unknown): Json => ((options as Json).publicKey ?? options) as Json;
const listed = (list: unknown): PublicKeyCredentialDescriptor[] =>
  ((list ?? []) as { id: string; type: string; transports?: AuthenticatorTransport[] }[]).map((c) => ({ ...c, type: 'public-key', id: bytes(c.id) }));

/** Answers a request challenge with one of her passkeys. */
export async function assertion(options: unknown): Promise<Json> {
  const o = inner(options);
  const publicKey = { ...o, challenge: bytes(o.challenge as string), allowCredentials: listed(o.allowCredentials) } as PublicKeyCredentialRequestOptions;
  const credential = (await ask(navigator.credentials.get({ publicKey }))) as PublicKeyCredential;
  const r = credential.response as AuthenticatorAssertionResponse;
  return {
    id: credential.id, rawId: base64url(credential.rawId), type: credential.type, extensions: credential.getClientExtensionResults(),
    response: {
      authenticatorData: base64url(r.authenticatorData), clientDataJSON: base64url(r.clientDataJSON), signature: base64url(r.signature),
      userHandle: r.userHandle ? base64url(r.userHandle) : null,
    },
  };
}

/** Makes a new passkey from a creation challenge. */
export async function creation(options: unknown): Promise<Json> {
  const o = inner(options);
  const user = o.user as { id: string; name: string; displayName: string };
  const publicKey = { ...o, challenge: bytes(o.challenge as string), user: { ...user, id: bytes(user.id) }, excludeCredentials: listed(o.excludeCredentials) } as unknown as PublicKeyCredentialCreationOptions;
  const credential = (await ask(navigator.credentials.create({ publicKey }))) as PublicKeyCredential;
  const r = credential.response as AuthenticatorAttestationResponse;
  return {
    id: credential.id, rawId: base64url(credential.rawId), type: credential.type, extensions: credential.getClientExtensionResults(),
    response: { attestationObject: base64url(r.attestationObject), clientDataJSON: base64url(r.clientDataJSON), transports: r.getTransports?.() ?? [] },
  };
}

// The browser's own errors say nothing a person can act on.
async function ask<T>(promise: Promise<T | null>): Promise<T> {
  let given: T | null;
  try { given = await promise; } catch (error) {
    const name = error instanceof DOMException ? error.name : '';
    if (name === 'InvalidStateError') throw new Error('This device already holds a passkey for your account.');
    if (name === 'SecurityError') throw new Error('This address is not the one passkeys are bound to: open the portal by its proper name.');
    throw new Error('No passkey was given: the request was cancelled, timed out, or no passkey fits. Try again or use your password.');
  }
  if (!given) throw new Error('No passkey was given. Try again or use your password.');
  return given;
}

/** Signs in by passkey: alone, or as second factor of `challenge`. */
export async function signWithPasskey(challenge?: string): Promise<void> {
  const begun = await post('/api/v1/sign-in/passkey/begin', { body: challenge ? { challenge } : {} });
  const passkey = await assertion(begun.options);
  await post('/api/v1/sign-in/passkey/finish', { body: { challenge: begun.challenge, passkey } });
}
