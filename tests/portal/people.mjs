//! Signing in, boxes, kept passwords, hand-over and the end of access, on real
//! HTTPS: `cargo test -p culvert-e2e --test people` starts it with a world.

import { launch } from './secure.mjs';
import { suite } from './suite.mjs';
import * as doors from './doors.mjs';
import * as signingIn from './signing-in.mjs';
import * as boxes from './boxes.mjs';
import * as hooks from './hooks.mjs';
import * as teams from './teams.mjs';
import * as handingOver from './handing-over.mjs';
import * as leaving from './leaving.mjs';
import * as releases from './releases.mjs';

await suite({ ...doors, ...signingIn, ...boxes, ...handingOver, ...leaving, ...releases, ...teams, ...hooks }, launch);
