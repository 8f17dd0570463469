//! The pages of the portal: address, title, the right that shows them, and the
//! chunk they are in. The side bar is made from this list, too.

import type { Component } from 'svelte';
import { offers } from '../api/offers';
import type { IconName } from '../ui/icons';

export interface Page {
  path: string;
  title: string;
  /** Shown to who holds this right anywhere; the server judges each request again. */
  right?: string;
  /** The route of the server that it needs. */
  needs?: string;
  /** In the side bar, when it has an icon. */
  icon?: IconName;
  group?: 'work' | 'manage' | 'know';
  // eslint-disable-next-line -- each page has props of its own: the parts of its address
  load: () => Promise<{ default: Component<any> }>;
}

const all: readonly Page[] = [
  { path: '/', title: 'Hosts', icon: 'home', group: 'work', load: () => import('./Home.svelte') },
  { path: '/h/:host', title: 'Host', load: () => import('./Host.svelte') },
  { path: '/c/:customer', title: 'Customer', load: () => import('./Home.svelte') },
  { path: '/pop/:id', title: 'Session', load: () => import('./Pop.svelte') },
  { path: '/live', title: 'Live sessions', icon: 'pulse', group: 'work', right: 'session.see', load: () => import('./Live.svelte') },
  { path: '/reports', title: 'Reports', icon: 'chart', group: 'know', right: 'report.see', load: () => import('./Reports.svelte') },
  { path: '/audit', title: 'Audit', icon: 'scroll', group: 'know', right: 'audit.see', load: () => import('./Audit.svelte') },
  { path: '/boxes', title: 'Sites and boxes', icon: 'box', group: 'manage', right: 'tree.see', load: () => import('./Boxes.svelte') },
  { path: '/sites/:site', title: 'Site', load: () => import('./Site.svelte') },
  { path: '/releases', title: 'Releases', icon: 'rings', group: 'manage', right: 'release.see', needs: '/api/v1/releases', load: () => import('./releases/Releases.svelte') },
  { path: '/people', title: 'People', icon: 'people', group: 'manage', right: 'user.list', load: () => import('./people/People.svelte') },
  { path: '/people/invite', title: 'Invite', right: 'invitation.add', needs: '/api/v1/invitations', load: () => import('./people/Invite.svelte') },
  { path: '/people/:user', title: 'Person', right: 'user.list', load: () => import('./people/Person.svelte') },
  { path: '/people/:user/leaving', title: 'Off-board', right: 'user.off-board', needs: '/api/v1/users/{user}/off-board', load: () => import('./people/Leaving.svelte') },
  { path: '/teams', title: 'Teams', right: 'team.list', needs: '/api/v1/teams', load: () => import('./people/Teams.svelte') },
  { path: '/webhooks', title: 'Webhooks', icon: 'hook', group: 'manage', right: 'webhook.list', needs: '/api/v1/webhooks', load: () => import('./Webhooks.svelte') },
  { path: '/hand-over', title: 'Sign in a command line', needs: '/api/v1/hand-overs/approve', load: () => import('./Approve.svelte') },
  { path: '/account', title: 'Your account', load: () => import('./Account.svelte') },
  { path: '/licences', title: 'Licences', load: () => import('./Licences.svelte') },
];

/** Those whose route the server has. */
export const pages: readonly Page[] = all.filter((page) => !page.needs || offers(page.needs));
