// Loads the WASM and brings the islands of the page to life, outer ones first. An island is a
// <leptos-island> whose data-component names a function of the module; what was rendered on the
// server inside one stands in a <leptos-children>, whose $$on_hydrate restores the island's context
// for the islands within.

const href = (rel) => document.querySelector(`link[rel=${rel}]`).href;

const { default: start, ...module } = await import(href("modulepreload"));
await start({ module_or_path: href("preload") });
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
