//! Starts the portal.

import { mount } from 'svelte';
import './styles/tokens.css';
import './styles/base.css';
import App from './App.svelte';
import { router } from './lib/router.svelte';

router.start();
mount(App, { target: document.getElementById('app') as HTMLElement });
