// SPDX-License-Identifier: MIT OR Apache-2.0
// Starts the client. The only JavaScript written by hand in the page.

// Trusted Types: the framework builds constant markup through a template element, and workers are named by
// a string. Both pass here and nothing else does: markup that could run something is refused, and so is
// every script that is not one of ours.
const refused = /<\s*\/?\s*(script|iframe|object|embed|link|meta|base|form|style)\b|\bon\w+\s*=|javascript:|srcdoc\s*=/i;
const ours = new Set([
  new URL("./worker.js", import.meta.url).href,
  new URL("/sw.js", location.origin).href,
]);

globalThis.trustedTypes?.createPolicy("default", {
  createHTML(markup) {
    if (refused.test(markup)) throw new TypeError("refused markup");
    return markup;
  },
  createScriptURL(url) {
    if (!ours.has(new URL(url, location.href).href)) throw new TypeError("refused script");
    return url;
  },
});

function cannotStart(reason) {
  const main = document.createElement("main");
  main.className = "gate";
  main.dataset.testid = "start-failed";
  const card = document.createElement("div");
  card.className = "gate-card";
  const heading = document.createElement("h1");
  heading.textContent = "Hither could not be loaded";
  const text = document.createElement("p");
  text.dataset.testid = "error-text";
  text.setAttribute("role", "alert");
  text.textContent = `The program did not start (${reason}). Check your connection and reload the page; if that does not help, use a current Chromium, Firefox or Safari.`;
  card.append(heading, text);
  main.append(card);
  document.body.append(main);
}

try {
  const { default: start } = await import("./hither_web.js");
  await start({ module_or_path: new URL("./hither_web_bg.wasm", import.meta.url) });
} catch (error) {
  cannotStart(error?.message ?? String(error));
}

// The offline shell. Without a trusted certificate there is none, and everything else works.
if ("serviceWorker" in navigator && window.isSecureContext) {
  navigator.serviceWorker.register("/sw.js").catch(() => {});
}
