//! Every request of the portal goes through here. Each is one of the server's own
//! description (schema.d.ts, made from openapi.json in the build): another path, body
//! or field does not compile.
//! A refusal is an exception that carries the server's sentence.

import type { paths } from './schema';

export class Refused extends Error {
  constructor(readonly status: number, readonly reason: string, message: string) {
    super(message);
    this.name = 'Refused';
  }
}

/** The server could not be reached at all. */
export class Unreachable extends Error {
  constructor() {
    super('The server does not answer. Check this computer’s connection, then try again.');
    this.name = 'Unreachable';
  }
}

type Method = 'get' | 'put' | 'post' | 'patch' | 'delete';
type Has<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, object> ? P : never }[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never;
type Parts<O> = O extends { parameters: { path: infer T } } ? T : undefined;
type Query<O> = O extends { parameters: { query?: infer T } } ? T : undefined;
type Body<O> = O extends { requestBody: { content: { 'application/json': infer T } | { 'text/csv': infer T } } } ? T
  : O extends { requestBody?: { content: { 'application/json': infer T } } } ? T | undefined : undefined;
type Good<R> = R extends { 200: infer T } ? T : R extends { 201: infer T } ? T : R extends { 202: infer T } ? T : never;
type Answer<O> = O extends { responses: infer R } ? (Good<R> extends { content: { 'application/json': infer T } } ? T : undefined) : undefined;

export interface Options<O> { path?: Parts<O>; query?: Query<O>; body?: Body<O>; signal?: AbortSignal }

/** Hooks that the shell sets: what to do when the sign-in is gone or a step-up is asked, and with the server's time. */
export const hooks = {
  signedOut: (): void => {},
  stepUp: async (): Promise<boolean> => false,
  heard: (_date: string | null): void => {},
};

export async function call<M extends Method, P extends Has<M>>(method: M, path: P, options: Options<Operation<P, M>> = {}): Promise<Answer<Operation<P, M>>> {
  const response = await request(method, fill(path as string, options.path as Record<string, string> | undefined, options.query as Record<string, unknown> | undefined), options.body, options.signal);
  return (await decode(response)) as Answer<Operation<P, M>>;
}

export const get = <P extends Has<'get'>>(path: P, options?: Options<Operation<P, 'get'>>) => call('get', path, options);
export const post = <P extends Has<'post'>>(path: P, options?: Options<Operation<P, 'post'>>) => call('post', path, options);
export const put = <P extends Has<'put'>>(path: P, options?: Options<Operation<P, 'put'>>) => call('put', path, options);
export const patch = <P extends Has<'patch'>>(path: P, options?: Options<Operation<P, 'patch'>>) => call('patch', path, options);
export const del = <P extends Has<'delete'>>(path: P, options?: Options<Operation<P, 'delete'>>) => call('delete', path, options);

async function request(method: Method, url: string, body: unknown, signal: AbortSignal | undefined, again = false): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = typeof body === 'string' ? 'text/csv; charset=utf-8' : 'application/json';
  let response: Response;
  try {
    response = await fetch(url, {
      method: method.toUpperCase(), headers, signal: signal ?? null, credentials: 'same-origin', cache: 'no-cache', redirect: 'error',
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable();
  }
  hooks.heard(response.headers.get('date'));
  if (response.ok) return response;
  const refusal = await refused(response);
  if (refusal.reason === 'step_up_needed' && !again && (await hooks.stepUp())) return request(method, url, body, signal, true);
  if (response.status === 401 && !url.startsWith('/api/v1/sign-in') && !url.startsWith('/api/v1/step-up')) hooks.signedOut();
  throw refusal;
}

async function decode(response: Response): Promise<unknown> {
  if (response.status === 204) return undefined;
  const text = await response.text();
  return text === '' ? undefined : JSON.parse(text);
}

async function refused(response: Response): Promise<Refused> {
  try {
    const { reason, message } = (await response.json()) as { reason?: string; message?: string };
    if (message) return new Refused(response.status, reason ?? 'refused', sentence(message));
  } catch { /* no JSON: said below */ }
  return new Refused(response.status, 'unknown', response.status >= 500
    ? `The server could not do that (${response.status}). Try again; if it stays, its log says why.`
    : `The server refused that (${response.status}).`);
}

export function fill(path: string, parts?: Record<string, string>, query?: Record<string, unknown>): string {
  let url = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts?.[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
  const text = search.toString();
  if (text) url += `?${text}`;
  return url;
}

/** Server messages are lower-case clauses; people read sentences. */
export function sentence(text: string): string {
  const t = text.trim();
  if (!t) return t;
  return t.charAt(0).toUpperCase() + t.slice(1) + (/[.!?…)]$/.test(t) ? '' : '.');
}

export const problem = (error: unknown): string => (error instanceof Error ? sentence(error.message) : 'Something failed; try again.');
