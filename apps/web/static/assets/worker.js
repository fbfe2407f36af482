// SPDX-License-Identifier: MIT OR Apache-2.0
// The boot of a dedicated worker. Everything else is in host/worker.
import init from "./hither_worker.js";

await init();
