// The page of the endpoint's tests: hands the session's whole surface to the
// test that drives the browser. The portal itself is not part of it.

import * as session from '../../../cloud-prs/portal/src/session/index';

Object.assign(globalThis, { culvert: session });
