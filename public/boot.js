// Loads the WASM and brings the islands of the page to life, outer ones first. An island is a
// <leptos-island> whose data-component names a function of the module; what was rendered on the
// server inside one stands in a <leptos-children>, whose $$on_hydrate restores the island's context
// for the islands within.

// Both files are asked for at once.
const wasm = fetch(document.querySelector("script[data-wasm]").dataset.wasm);
const { default: start, ...module } = await import(document.querySelector("link[rel=modulepreload]").href);
await start({ module_or_path: wasm });
module.hydrate();

function visit(element, restore) {
  for (const child of element.children) {
    if (child.localName === "leptos-island") {
      restore?.();
      module[child.dataset.component](child);
    }
    visit(child, child.localName === "leptos-children" ? child.$$on_hydrate : restore);
  }
}

visit(document.body);
document.documentElement.dataset.hydrated = "true";
