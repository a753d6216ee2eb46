// Loaded on the API page only. Sends the form of an operation as an API client would and shows the answer.
// A field named Authorization becomes the header of that name. The other fields become the form body.

async function send(form) {
  const fields = new FormData(form);
  const token = (fields.get("Authorization") ?? "").trim();
  fields.delete("Authorization");

  // No cookies are sent, so the bearer token alone authenticates the request.
  const request = { method: form.getAttribute("method"), credentials: "omit", headers: {} };
  if (token) request.headers.Authorization = `Bearer ${token}`;
  if (request.method === "post") request.body = new URLSearchParams(fields);

  const response = await fetch(form.getAttribute("action"), request);
  const headers = ["content-type", "www-authenticate", "retry-after"]
    .filter((name) => response.headers.has(name))
    .map((name) => `${name}: ${response.headers.get(name)}\n`);
  return `${response.status} ${response.statusText}\n${headers.join("")}\n${await response.text()}`;
}

for (const area of document.querySelectorAll(".try")) {
  const output = area.querySelector("output");
  area.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.textContent = "Waiting for the answer…";
    output.textContent = await send(event.target).catch(() => "The server could not be reached.");
  });
  area.hidden = false;
}
