//! Runs the portal's tests in Chromium: `cargo test -p culvert-e2e --test portal`
//! starts it with a world. Those of `live` stop and start programs, so they come
//! last and alone.

import * as asking from './asking.mjs';
import * as bars from './bars.mjs';
import * as badInput from './bad_input.mjs';
import * as desktops from './desktops.mjs';
import * as hosts from './hosts.mjs';
import * as keyboard from './keyboard.mjs';
import * as kept from './kept.mjs';
import * as picture from './picture.mjs';
import * as places from './places.mjs';
import * as reports from './reports.mjs';
import * as live from './live.mjs';
import { suite } from './suite.mjs';
import * as tabs from './tabs.mjs';
import * as tests from './tests.mjs';
import * as typing from './typing.mjs';
import { launch } from './world.mjs';

await suite({ ...tests, ...asking, ...hosts, ...desktops, ...keyboard, ...typing, ...bars, ...badInput, ...kept, ...reports, ...picture, ...places, ...tabs }, launch, live);
